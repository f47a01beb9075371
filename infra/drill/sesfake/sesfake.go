// Package sesfake is a server that speaks the API of Amazon SES, version 2, as far
// as Todoku uses it, keeps what it is sent, and misbehaves as it is told: it
// throttles at an account's rate, is paused, refuses, loses its answer. It tells
// what becomes of each message in events such as SES publishes: late, twice, out
// of order or not at all.
package sesfake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says how the server behaves; its zero value takes everything at once and
// tells nobody.
type Config struct {
	// Rate is how many messages a second the account may send, in bursts of a tenth
	// of a second's worth; 0: any number.
	Rate float64
	// Now is the clock of the rate and of the events; nil: time.Now.
	Now func() time.Time
	// Latency is how long a send to the address takes; nil: no time.
	Latency func(to string) time.Duration
	// Lane names the lane of an address in Stats; nil: its domain.
	Lane func(to string) string
	// Fate says what becomes of a message that was accepted; nil: Simulator.
	Fate func(to string) []Step
	// Emit gets the JSON of each event, from a goroutine of its own; nil: there are
	// no events. See Notification for how SNS would wrap it.
	Emit  func(event []byte)
	Chaos Chaos
	// Sets are the configuration sets, and after how long each has a mail given up
	// (MaxDeliverySeconds); nil: any that is named, after MostTries.
	Sets map[string]time.Duration
	// Later has events whose time is to come wait for Pass, for a clock that is moved.
	Later bool
}

// MostTries is for how long SES tries a mail at most.
const MostTries = 14 * time.Hour

// tries returns for how long SES tries a mail of a set.
func (s *Server) tries(set string) time.Duration {
	if d, ok := s.cfg.Sets[set]; ok {
		return d
	}
	return MostTries
}

// Chaos spoils events, the same way for the same seed and order of messages.
type Chaos struct {
	Seed      uint64
	Drop      float64       // share of the events that never come
	Duplicate float64       // share of the events that come twice
	Jitter    time.Duration // the most by which an event is late, which reorders them
}

// Message is one that was accepted.
type Message struct {
	ID               string // as SES names it
	From, To         string
	Raw              []byte
	Tags             map[string]string
	ConfigurationSet string
	At               time.Time
}

// Answer is how to answer a send instead of accepting it.
type Answer struct {
	Status  int    // of HTTP
	Type    string // such as "TooManyRequestsException"
	Message string
	// Lost breaks the connection instead of answering; with Status 200 the message
	// is accepted before.
	Lost bool
}

// Answers in the words that SES uses.
var (
	Throttled  = Answer{Status: http.StatusTooManyRequests, Type: "TooManyRequestsException", Message: "Maximum sending rate exceeded."}
	Paused     = Answer{Status: http.StatusBadRequest, Type: "SendingPausedException", Message: "Sending paused for this account."}
	Unverified = Answer{Status: http.StatusBadRequest, Type: "MessageRejected", Message: "Email address is not verified. The following identities failed the check in region US-EAST-1: somebody@example.jp"}
	BadAddress = Answer{Status: http.StatusBadRequest, Type: "BadRequestException", Message: "Local address contains control or whitespace"}
	Broken     = Answer{Status: http.StatusInternalServerError, Type: "InternalServiceErrorException", Message: "Internal failure"}
	Away       = Answer{Status: http.StatusServiceUnavailable, Type: "ServiceUnavailable", Message: "The request has failed due to a temporary failure of the server."}
	NoSet      = Answer{Status: http.StatusNotFound, Type: "NotFoundException", Message: "Configuration set <todoku> does not exist."}
	ReplyLost  = Answer{Status: http.StatusOK, Lost: true}
)

// Stats counts what happened.
type Stats struct {
	Accepted, Throttled, Refused int
	Lanes                        map[string]LaneStats
}

// LaneStats counts what happened in one lane.
type LaneStats struct {
	Accepted  int
	HighWater int // the most sends that were under way at once
}

// Server is an http.Handler. It is safe for concurrent use; Close it.
type Server struct {
	cfg Config
	mux *http.ServeMux

	mu       sync.Mutex
	tokens   float64 // sends that the rate allows now
	refilled time.Time
	paused   bool
	answers  map[string]Answer
	listed   map[string]bool // the account's suppression list
	sent     []Message
	underway map[string]int
	stats    Stats
	rand     *rand.Rand
	closed   bool
	timers   map[*time.Timer]struct{}
	setup    map[string]map[string]any // see SetUp
	pending  sync.WaitGroup            // events that will be emitted
	later    []laterEvent              // those that wait for Pass
	untold   int                       // how many they are
}

// New returns a server.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Lane == nil {
		cfg.Lane = func(to string) string { return to[strings.LastIndexByte(to, '@')+1:] }
	}
	if cfg.Fate == nil {
		cfg.Fate = Simulator
	}
	s := &Server{
		cfg: cfg, mux: http.NewServeMux(), tokens: burst(cfg.Rate), refilled: cfg.Now(),
		answers: map[string]Answer{}, listed: map[string]bool{}, underway: map[string]int{}, timers: map[*time.Timer]struct{}{},
		stats: Stats{Lanes: map[string]LaneStats{}},
		rand:  rand.New(rand.NewPCG(cfg.Chaos.Seed, 0)),
	}
	s.mux.HandleFunc("POST /v2/email/outbound-emails", s.send)
	s.mux.HandleFunc("GET /v2/email/account", s.account)
	s.mux.HandleFunc("DELETE /v2/email/suppression/addresses/{mailbox}", s.unlist)
	s.setupRoutes()
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Pause makes the account unable to send, or able again.
func (s *Server) Pause(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
}

// AnswerWith makes sends to the address be answered so from now on; a nil answer
// accepts them again.
func (s *Server) AnswerWith(to string, a *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, to)
	if a != nil {
		s.answers[to] = *a
	}
}

// List puts a mailbox on the account's suppression list.
func (s *Server) List(mailbox string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed[mailbox] = true
}

// Listed reports whether a mailbox is on the account's suppression list.
func (s *Server) Listed(mailbox string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed[mailbox]
}

// unlist answers DeleteSuppressedDestination.
func (s *Server) unlist(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mailbox := r.PathValue("mailbox")
	if !s.listed[mailbox] {
		reply(w, Answer{Status: http.StatusNotFound, Type: "NotFoundException", Message: "Email address " + mailbox + " does not exist on your suppression list."})
		return
	}
	delete(s.listed, mailbox)
	writeJSON(w, http.StatusOK, map[string]string{})
}

// Sent returns what was accepted, oldest first.
func (s *Server) Sent() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Lanes = maps.Clone(s.stats.Lanes)
	return out
}

// sendRequest is the body of SendEmail.
type sendRequest struct {
	FromEmailAddress     string
	Destination          struct{ ToAddresses []string }
	Content              struct{ Raw struct{ Data string } }
	ConfigurationSetName string
	EmailTags            []struct{ Name, Value string }
}

const maxRequestBytes = 40 << 20 // SES's limit for a message, more or less

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	m, err := read(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		reply(w, Answer{Status: http.StatusBadRequest, Type: "BadRequestException", Message: err.Error()})
		return
	}
	lane := s.cfg.Lane(m.To)
	s.enter(lane)
	defer s.leave(lane)
	if s.cfg.Latency != nil {
		time.Sleep(s.cfg.Latency(m.To))
	}
	a := s.decide(&m, lane)
	switch {
	case a.Lost:
		panic(http.ErrAbortHandler)
	case a.Status != http.StatusOK:
		reply(w, a)
	default:
		writeJSON(w, http.StatusOK, map[string]string{"MessageId": m.ID})
	}
}

func read(body interface{ Read([]byte) (int, error) }) (Message, error) {
	var in sendRequest
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return Message{}, fmt.Errorf("the request is not JSON: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(in.Content.Raw.Data)
	switch {
	case err != nil || len(raw) == 0:
		return Message{}, fmt.Errorf("this server takes raw messages only")
	case len(in.Destination.ToAddresses) != 1:
		return Message{}, fmt.Errorf("this server takes one recipient a message")
	}
	m := Message{
		From: in.FromEmailAddress, To: in.Destination.ToAddresses[0], Raw: raw,
		Tags: map[string]string{}, ConfigurationSet: in.ConfigurationSetName,
	}
	for _, t := range in.EmailTags {
		m.Tags[t.Name] = t.Value
	}
	return m, nil
}

func (s *Server) enter(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underway[lane]++
	l := s.stats.Lanes[lane]
	l.HighWater = max(l.HighWater, s.underway[lane])
	s.stats.Lanes[lane] = l
}

func (s *Server) leave(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underway[lane]--
}

// decide answers a send, and accepts it if that is the answer.
func (s *Server) decide(m *Message, lane string) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, told := s.answers[m.To]
	switch {
	case s.paused:
		a = Paused
	case s.cfg.Sets != nil && s.cfg.Sets[m.ConfigurationSet] == 0:
		a = NoSet
	case told:
	case !s.take():
		a = Throttled
	default:
		a = Answer{Status: http.StatusOK}
	}
	switch {
	case a.Status == http.StatusOK:
		s.accept(m, lane)
	case a.Type == Throttled.Type:
		s.stats.Throttled++
	default:
		s.stats.Refused++
	}
	return a
}

// burst is how many sends may come at one moment.
func burst(rate float64) float64 { return math.Max(1, rate/10) }

// take uses up one send of the account's rate, if there is one.
func (s *Server) take() bool {
	if s.cfg.Rate == 0 {
		return true
	}
	now := s.cfg.Now()
	s.tokens = math.Min(burst(s.cfg.Rate), s.tokens+now.Sub(s.refilled).Seconds()*s.cfg.Rate)
	s.refilled = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

func (s *Server) accept(m *Message, lane string) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", len(s.sent), m.To))
	m.ID, m.At = "0106"+hex.EncodeToString(sum[:14])+"-000000", s.cfg.Now()
	s.sent = append(s.sent, *m)
	s.stats.Accepted++
	l := s.stats.Lanes[lane]
	l.Accepted++
	s.stats.Lanes[lane] = l
	s.tell(*m)
}

// account answers GetAccount.
func (s *Server) account(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	enabled, sent := !s.paused, len(s.sent)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, s.said("account", map[string]any{
		"SendingEnabled": enabled,
		"SendQuota":      map[string]float64{"MaxSendRate": s.cfg.Rate, "Max24HourSend": 1e6, "SentLast24Hours": float64(sent)},
	}))
}

func reply(w http.ResponseWriter, a Answer) {
	w.Header().Set("X-Amzn-ErrorType", a.Type)
	writeJSON(w, a.Status, map[string]string{"message": a.Message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
