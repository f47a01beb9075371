package lanesim

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

//go:embed simulated-receivers.json
var shipped []byte

// Profile is what a receiving operator allows one source address, and how it says
// no. Fractions are 0 to 1, times in seconds; see simulated-receivers.json.
type Profile struct {
	Name string `json:"-"`
	Like string `json:"like"`
	Note string `json:"note"`

	MaxConnections        float64 `json:"max_connections"`
	ReplyExcessConnection string  `json:"reply_excess_connection"`
	MessagesPerConnection float64 `json:"messages_per_connection"`
	RecipientsPerSession  float64 `json:"recipients_per_session"`
	Rate                  float64 `json:"rate_per_second"`
	Burst                 float64 `json:"burst"`
	ReplyExcessRate       string  `json:"reply_excess_rate"`

	PenaltyFirst        float64 `json:"penalty_first_seconds"`
	PenaltyMultiplier   float64 `json:"penalty_multiplier"`
	PenaltyMax          float64 `json:"penalty_max_seconds"`
	PenaltyForgiven     float64 `json:"penalty_forgiven_after_seconds"`
	ReplyBlocked        string  `json:"reply_while_blocked"`
	TrickleRate         float64 `json:"trickle_rate_per_second"`
	ConnectionRefusals  float64 `json:"connection_refusals_to_penalty"`
	ConnectionRefusalsS float64 `json:"connection_refusals_window_seconds"`
	RateRefusals        float64 `json:"rate_refusals_to_penalty"`
	RateRefusalsS       float64 `json:"rate_refusals_window_seconds"`

	Greylist          float64 `json:"greylist_seconds"`
	GreylistPasses    float64 `json:"greylist_auto_whitelist_after_passes"`
	Dropped           float64 `json:"silently_dropped_fraction"`
	ReplyUnknown      string  `json:"reply_unknown_user"`
	UnknownAbove      float64 `json:"unknown_user_block_above_fraction"`
	UnknownWindow     float64 `json:"unknown_user_window_recipients"`
	UnknownFirst      float64 `json:"unknown_block_first_seconds"`
	UnknownMultiplier float64 `json:"unknown_block_multiplier"`
	UnknownMax        float64 `json:"unknown_block_max_seconds"`

	RoundTrip  float64 `json:"round_trip_seconds"`
	Processing float64 `json:"processing_median_seconds"`
	Sigma      float64 `json:"processing_lognormal_sigma"`

	Busy     []float64 `json:"busy_first_seconds_of_hour"` // from, to
	BusyRate float64   `json:"busy_rate_per_second"`

	Assumed []string `json:"assumed"`
}

// Profiles are the operators that ship, by name, and their shares of guardians.
type Profiles struct {
	ByName map[string]Profile
	Mix    map[string]float64
}

// Names returns the profiles' names in order.
func (p Profiles) Names() []string { return slices.Sorted(maps.Keys(p.ByName)) }

// Load reads the profiles that ship.
func Load() (Profiles, error) {
	var f struct {
		About     string                     `json:"about"`
		Assumed   []string                   `json:"assumed_everywhere"`
		Profiles  map[string]Profile         `json:"profiles"`
		Faults    map[string]string          `json:"faults"`
		Workloads map[string]json.RawMessage `json:"workloads"`
		Mix       map[string]float64         `json:"lane_mix_assumed"`
	}
	d := json.NewDecoder(bytes.NewReader(shipped))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Profiles{}, fmt.Errorf("simulated-receivers.json: %w", err)
	}
	for name, p := range f.Profiles {
		p.Name = name
		f.Profiles[name] = p
	}
	return Profiles{ByName: f.Profiles, Mix: f.Mix}, nil
}

// numbers are all that can be varied, with the least that makes sense of each.
func (p *Profile) numbers() []number {
	return []number{
		{&p.MaxConnections, 1, true}, {&p.MessagesPerConnection, 1, true}, {&p.RecipientsPerSession, 1, true},
		{&p.Rate, 0, false}, {&p.Burst, 1, true},
		{&p.PenaltyFirst, 0, false}, {&p.PenaltyMultiplier, 1, false}, {&p.PenaltyMax, 0, false}, {&p.PenaltyForgiven, 0, false},
		{&p.TrickleRate, 0, false},
		{&p.ConnectionRefusals, 1, true}, {&p.ConnectionRefusalsS, 0, false}, {&p.RateRefusals, 1, true}, {&p.RateRefusalsS, 0, false},
		{&p.Greylist, 0, false}, {&p.Dropped, 0, false},
		{&p.UnknownAbove, 0, false}, {&p.UnknownWindow, 1, true}, {&p.UnknownFirst, 0, false}, {&p.UnknownMultiplier, 1, false}, {&p.UnknownMax, 0, false},
		{&p.RoundTrip, 0, false}, {&p.Processing, 0, false}, {&p.Sigma, 0, false},
		{&p.BusyRate, 0, false},
	}
}

type number struct {
	at    *float64
	least float64
	whole bool
}

// Vary returns the profile with every number multiplied by 0.5 to 2, each by its
// own chance, as likely below as above.
func (p Profile) Vary(r *rand.Rand) Profile {
	for _, n := range p.numbers() {
		v := *n.at * math.Exp2(2*r.Float64()-1)
		if n.whole {
			v = math.Round(v)
		}
		*n.at = max(v, n.least)
	}
	p.PenaltyMax = max(p.PenaltyMax, p.PenaltyFirst)
	p.UnknownMax = max(p.UnknownMax, p.UnknownFirst)
	if len(p.Busy) == 2 {
		p.Busy = []float64{p.Busy[0], min(p.Busy[1]*math.Exp2(2*r.Float64()-1), 3600)}
	}
	return p
}

// Domain returns the first domain of the operator that the profile is like; of
// small operators, which have no name here, one that the lanes file does not have.
func (p Profile) Domain() string {
	first, _, _ := strings.Cut(p.Like, "/")
	if strings.Contains(first, " ") {
		return "isp.example"
	}
	return first
}
