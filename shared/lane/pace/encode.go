package pace

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Version is that of the stored form. A change of State's fields is a new version.
const Version = 3

// MaxEncoded is the most that a stored state takes, in bytes.
const MaxEncoded = 256

// ErrForm is returned for what Append has not written in this version. A lane whose
// memory cannot be read begins anew, which costs it a few refusals and no copy.
var ErrForm = errors.New("pace: not a lane's state of this version")

// codec walks over the fields of a state in their order, writing them (Append) or
// reading them (Decode), so that both cannot disagree.
type codec struct {
	b     []byte
	write bool
	bad   bool
}

// Append appends the stored form of s: the version, then numbers as varints, times in
// milliseconds, and the rest as 32-bit floats.
func (s State) Append(b []byte) []byte {
	c := codec{b: append(b, Version), write: true}
	c.state(&s)
	return c.b
}

// Decode returns the state that Append wrote, its times to the millisecond in UTC.
func Decode(b []byte) (State, error) {
	if len(b) == 0 || len(b) > MaxEncoded || b[0] != Version {
		return State{}, ErrForm
	}
	var s State
	c := codec{b: b[1:]}
	c.state(&s)
	if c.bad || len(c.b) > 0 {
		return State{}, ErrForm
	}
	return s, nil
}

func (c *codec) state(s *State) {
	for _, n := range []*int{&s.Out, &s.Stuck, &s.Old, &s.Passed, &s.Good, &s.Vain} {
		c.int(n)
	}
	for _, b := range []*bool{&s.Empty, &s.Probing, &s.Full} {
		c.bool(b)
	}
	for _, f := range []*float64{&s.Window, &s.WindowCeil, &s.Rate, &s.Ceil, &s.Depth, &s.Tokens, &s.First} {
		c.float(f)
	}
	for _, d := range []*time.Duration{&s.Took, &s.WindowWait, &s.RateWait, &s.Shut, &s.Span} {
		c.duration(d)
	}
	for _, t := range []*time.Time{&s.Sent, &s.Heard, &s.WindowTry, &s.Filled, &s.RateTry, &s.Mark, &s.Stopped, &s.Until, &s.Opened, &s.Grey, &s.Since, &s.Turned, &s.Last} {
		c.time(t)
	}
}

func (c *codec) varint(v int64) int64 {
	if c.write {
		c.b = binary.AppendVarint(c.b, v)
		return v
	}
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// count is a varint that cannot be negative, and is at most an int32.
func (c *codec) count(v int64) int64 {
	v = c.varint(v)
	c.bad = c.bad || v < 0 || v > math.MaxInt32
	return v
}

func (c *codec) int(n *int) { *n = int(c.count(int64(*n))) }

func (c *codec) bool(b *bool) {
	v := int64(0)
	if *b {
		v = 1
	}
	v = c.varint(v)
	c.bad = c.bad || v != 0 && v != 1
	*b = v == 1
}

// float is a finite number.
func (c *codec) float(f *float64) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint32(c.b, math.Float32bits(float32(*f)))
		return
	}
	if len(c.b) < 4 {
		c.bad = true
		return
	}
	*f = float64(math.Float32frombits(binary.LittleEndian.Uint32(c.b)))
	c.bad = c.bad || math.IsNaN(*f) || math.IsInf(*f, 0)
	c.b = c.b[4:]
}

// duration is in milliseconds, up to 24 days: what is longer is written as that.
func (c *codec) duration(d *time.Duration) {
	ms := min(max(d.Milliseconds(), 0), math.MaxInt32)
	*d = time.Duration(c.count(ms)) * time.Millisecond
}

// time is in milliseconds since 1970; zero is the zero time.
func (c *codec) time(t *time.Time) {
	v := int64(0)
	if !t.IsZero() {
		v = t.UnixMilli()
	}
	if v = c.varint(v); v == 0 {
		*t = time.Time{}
		return
	}
	c.bad = c.bad || v < 0 || v > 1<<45 // a millennium
	*t = time.UnixMilli(v).UTC()
}
