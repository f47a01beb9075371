package pace

import "time"

// The figures of the law. `make bench-lanes` says what they reach when every figure
// of the simulated operators is varied.
const (
	firstWindow = 2               // copies at once to an operator of which nothing is known
	hold        = 4 * time.Second // pause after a first refusal
	pauseShare  = 0.15            // a blocked lane pauses for this share of its block so far,
	LongPause   = 5 * time.Minute // never longer than this,
	jitter      = 0.2             // stretched by up to this share
	Proven      = 5               // copies that must pass after a pause to call it over

	earlyCut   = 0.25             // rate after a refusal that measured nothing, of what had passed
	firstSpan  = 10 * time.Second // and passed in at least this time
	lateCut    = 0.5              // the same behind SES
	nextCut    = 0.7              // and after another that measured nothing, of the rate
	below      = 0.95             // a lane stays this far below a measured rate
	guessGrows = 30 * time.Second // a guessed rate doubles in this time,
	ceilGrows  = 30 * time.Second // one that tries to pass a measured one, in this
	lateGrows  = 2                // and so much slower behind SES
	firstTry   = time.Minute      // a measured rate is left alone for so long,
	firstWiden = time.Minute      // a measured window for so long,
	lastTry    = 2 * time.Hour    // and after vain tries twice as long each time, up to this

	rest   = 30 * time.Second // a lane that sent nothing for so long finds a full bucket
	fading = 24 * time.Hour   // in so much rest the wait until more is tried halves

	cautiousBurst = 5 * time.Second  // what was not used of the cautious rate for longer is lost
	Silence       = 30 * time.Second // events that stay away so long are not waited for
	Forget        = 15 * time.Minute // a verdict that did not come gives its place back
	putOff        = 20 * time.Second // a delivery by SES that took longer had been put off
	EventLag      = 3 * time.Second  // an event usually comes after this
	probeWait     = 10 * time.Second // and that of a probe, if it passes, before this
	above         = 1.8              // how far below its slots SES should keep on average, see busy
	outgrows      = 2 * time.Minute  // a lane never refused doubles what fills its slots in this
	narrowly      = 0.05             // how much of a place an acceptance adds where slots are few, see narrow
	eventsPerSlot = 40               // copies without an event, for each slot
)

// Limits are what the lanes file sets.
type Limits struct {
	Slots    int     // places at once, the hard cap; at least 1
	Cautious float64 // copies a second when nothing is heard; 0: half of one for each slot
	Events   bool    // verdicts come as events (SES), not with the reply
	Alive    bool    // other events arrive: silence speaks of this lane alone
	Listed   bool    // the lanes file has the operator: its slots are its own limit, not our caution
}

func (l Limits) cautious() float64 {
	if l.Cautious > 0 {
		return l.Cautious
	}
	return float64(max(l.Slots, 1)) / 2
}

// widest is how large the window may become. Slots cap what is handed over at once;
// a copy whose verdict comes as an event holds its slot for the handing over only.
func (l Limits) widest() float64 {
	if l.Events {
		return float64(max(l.Slots, 1) * eventsPerSlot)
	}
	return float64(max(l.Slots, 1))
}

// Kind says of what a verdict speaks.
type Kind uint8

const (
	// Accepted: the operator took the copy, or Delivery came.
	Accepted Kind = iota
	// Personal: it answered about this recipient alone, for now or for good.
	Personal
	// Crowded: it refused or dropped the connection, before MAIL.
	Crowded
	// TooFast: within a connection it refused or reset what speaks of no recipient; or
	// an event told that SES was put off.
	TooFast
	// Unheard: it gave no answer at all: the connection or its greeting timed out.
	Unheard
	// Untold: the copy did not leave after all (deadline, relay away): its place and
	// its token return.
	Untold
)

// Verdict is what became of one copy.
type Verdict struct {
	Kind Kind
	// Took is the time from the copy's start to the verdict; for an event
	// processingTimeMillis. It tells whether the copy left before the last pause.
	Took time.Duration
	// Held says that the copy's place is still in use: more copies follow over the same
	// connection. The last verdict of those that Take granted together gives it back.
	Held bool
}

// State is what a lane knows and remembers. The zero value knows nothing. It is a
// plain value, to be copied and compared; Append and Decode say how it is stored.
type State struct {
	Out   int           // places in use: copies without a verdict, or connections at work
	Sent  time.Time     // when the newest of them left
	Heard time.Time     // when the last verdict came, or the first of those began that are out
	Last  time.Time     // when the last verdict came
	Stuck int           // of the copies out, how many SES is thought to have been put off with
	Took  time.Duration // how long SES usually takes for a copy; only with events
	Grey  time.Time     // when an event last told that SES waits because of one recipient

	Old    int       // places of Out that were taken before Turned
	Turned time.Time // when those that were old then were given back

	Window     float64       // copies that may be out; 0: not begun
	WindowCeil float64       // what stood when connections were last refused; 0: never
	WindowTry  time.Time     // when more than WindowCeil is tried next
	WindowWait time.Duration // and how long after that, if it is in vain

	Rate     float64       // copies a second; 0: no limit is known
	Ceil     float64       // the operator's rate as measured; 0: not measured
	Depth    float64       // what its bucket holds
	Tokens   float64       // what is in it at Filled, as far as we know
	Filled   time.Time     // until when Tokens and Rate have grown
	RateTry  time.Time     // when more than Ceil is tried next
	RateWait time.Duration // and how long after that, if it is in vain

	Mark   time.Time     // last refusal of the rate, or the first copy after a rest
	Empty  bool          // Mark was a refusal: the bucket was empty
	Passed int           // copies that passed the operator's gate since Mark
	Shut   time.Duration // how much of the time since Mark the lane was stopped
	First  float64       // copies that passed between a rest and its first refusal,
	Span   time.Duration // and in which time: with the rate they give Depth

	Stopped time.Time // since when the lane is stopped; zero: it runs
	Until   time.Time // and until when, before a probe
	Opened  time.Time // when it last reopened; what left before tells nothing new
	Probing bool      // the probe is out
	Full    bool      // the last copies that left took the last places of the window
	Since   time.Time // when the block began; zero: none, or proven to be over
	Good    int       // copies that passed since the lane last reopened
	Vain    int       // pauses in a row
}
