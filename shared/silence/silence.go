// Package silence finds the mail operators that take an alert's mails and do not
// show them to anybody. Nothing that an operator says tells of it: the mails count as
// sent. But guardians answer fast, a third of them within two minutes, whoever their
// operator is. A lane whose guardians do not answer while all others do has swallowed
// its mails.
//
// # The statistics
//
// At a look the guardians reached by mail are counted in a table of two by two: in this
// lane or in the others, answered or not. All that is taken from the others is how
// many have answered by the same time, so nobody needs to know how fast people answer
// tonight. If the odds of an answer in the lane are psi times the others', then, the
// sums of the table given, the answers in the lane follow Fisher's noncentral
// hypergeometric distribution, and its lower tail is the chance of so few answers
// or fewer (Agresti, Categorical Data Analysis, section 3.5). Small audiences need
// no special care: five guardians who do not answer are likely enough, and no alarm.
//
// Lanes differ without any fault: carriers' addresses belong to older phones. So the
// hypothesis that an alarm has to reject is the psi of the lane's own past, which is the
// Mantel-Haenszel estimate over the alerts before (Mantel and Haenszel 1959, Journal of
// the National Cancer Institute 22), and the odds have to look far smaller besides (Clear).
//
// # The rate of false alarms
//
// An alert has at most Alpha false alarms, all lanes and looks together. Alpha is
// shared evenly by the lanes and unevenly by the looks (Bonferroni): most of it goes
// to the look at ten minutes, when enough have answered to tell and there is still
// time to phone. `make bench` prints what 10,000 simulated alerts say of it.
package silence

import "math"

const (
	// Alpha is the largest share of normal alerts in which any lane is called out.
	Alpha = 0.01
	// Clear is how small the odds have to look besides: less than a seventh of the
	// others'. In a large audience a lane that is merely slow would be significant, too.
	Clear = 0.15
	// Least is the smallest number of guardians reached that make a lane one of its own.
	Least = 8
)

// Table counts the guardians reached by mail and those of them who answered: in one
// lane, and in all others.
type Table struct {
	Sent, Answered           int64
	OthersSent, OthersAnswer int64
}

// Chance is the probability of as few answers in the lane as there are, or fewer, if
// the odds of an answer were psi times the others'.
func (t Table) Chance(psi float64) float64 {
	answers := t.Answered + t.OthersAnswer
	low, high := max(0, answers-t.OthersSent), min(t.Sent, answers)
	if low >= high {
		return 1 // nobody has answered, or everybody: nothing can be told
	}
	weight := func(x int64) float64 {
		return choose(t.Sent, x) + choose(t.OthersSent, answers-x) + float64(x)*math.Log(psi)
	}
	top := math.Inf(-1)
	for x := low; x <= high; x++ {
		top = max(top, weight(x))
	}
	var tail, all float64
	for x := low; x <= high; x++ {
		w := math.Exp(weight(x) - top)
		all += w
		if x <= t.Answered {
			tail += w
		}
	}
	return tail / all
}

// choose is the logarithm of the binomial coefficient.
func choose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// clear reports whether the lane's odds look far smaller than the others'.
func (t Table) clear() bool {
	const half = 0.5 // so that no cell is empty (Haldane, Anscombe)
	mine := (float64(t.Answered) + half) / (float64(t.Sent-t.Answered) + half)
	theirs := (float64(t.OthersAnswer) + half) / (float64(t.OthersSent-t.OthersAnswer) + half)
	// With few guardians the half that was added would hide that none has answered.
	return mine < Clear*theirs || t.Answered == 0
}

// Silent reports whether so few have answered in the lane that it has to be said: the
// chance of it is at most alpha if the lane is as past says.
func (t Table) Silent(past Past, alpha float64) bool {
	return t.Sent >= Least && t.clear() && t.Chance(past.Odds()) <= alpha
}

// Past is what a lane's earlier alerts say of its odds: the two sums of the
// Mantel-Haenszel estimate, of which older alerts weigh less. The zero value knows
// nothing and stands for a lane like all others.
type Past struct {
	Lane   float64 `json:"l"` // answered here and not there
	Others float64 `json:"o"` // answered there and not here
}

const (
	// fade is what an alert's weight is multiplied with when the next one comes.
	fade = 0.8
	// enough is the weight from which on a past counts: some 30 guardians.
	enough = 2.0
	// slowest is the smallest ratio that a past can teach. A lane that swallowed
	// every mail for a month must not become one that is expected to.
	slowest = 0.3
)

// Add returns the past after one more alert in which the lane was not called out.
func (p Past) Add(t Table) Past {
	n := float64(t.Sent + t.OthersSent)
	if n == 0 {
		return p
	}
	p.Lane = p.Lane*fade + float64(t.Answered)*float64(t.OthersSent-t.OthersAnswer)/n
	p.Others = p.Others*fade + float64(t.OthersAnswer)*float64(t.Sent-t.Answered)/n
	return p
}

// Odds is how many times the others' odds the lane's are: at most 1.
func (p Past) Odds() float64 {
	if p.Lane+p.Others < enough {
		return 1
	}
	return min(1, max(slowest, p.Lane/p.Others))
}
