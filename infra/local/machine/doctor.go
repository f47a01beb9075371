package machine

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/beevik/ntp"

	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/mail/smtp"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	bolttable "github.com/todoku/todoku/shared/table/bbolt"
)

// Sending says what the doctor cannot see by itself.
type Sending struct {
	// DKIM are the selectors with which the relay signs; none: not known.
	DKIM []string
	// Addresses are those from which mail leaves to the world; none: not known.
	Addresses []netip.Addr
	// NTP is the time server to compare the clock with; "": none.
	NTP string
}

// Examine looks at all that must be right for mail to reach guardians.
func (m *Machine) Examine(ctx context.Context) (doctor.Report, error) {
	s, err := m.doctorSetup(ctx)
	if err != nil {
		return doctor.Report{}, err
	}
	return doctor.Examine(ctx, s), nil
}

func (m *Machine) doctorSetup(ctx context.Context) (doctor.Setup, error) {
	schools, err := m.Roster.Schools(ctx)
	if err != nil {
		return doctor.Setup{}, err
	}
	return m.cfg.setup(schools, m.Lanes)
}

// domains names those whose mail the doctor looks at: with a new one he looks at once.
func (m *Machine) domains(ctx context.Context) (string, error) {
	schools, err := m.Roster.Schools(ctx)
	return strings.Join(doctor.Domains(schools), " "), err
}

// settle is how long after its start a machine lets the doctor wait, unless somebody
// asks: whoever starts it anew has other things to see to.
const settle = 5 * time.Minute

// examineDaily returns what the tick calls. The examination is done beside it: it
// takes longer than the tick may.
func (m *Machine) examineDaily() func(context.Context) error {
	d := &doctor.Daily{Records: doctor.Records{Table: m.store, Now: m.cfg.Now}, Version: m.domains, Setup: m.doctorSetup, Log: m.cfg.Log, Tell: doctor.TellManagers(m.office(), m.Roster, m.cfg.Now)}
	began := m.cfg.Now()
	var busy atomic.Bool
	return func(ctx context.Context) error {
		if m.cfg.Now().Sub(began) < settle {
			if waits, err := d.Waits(ctx); err != nil || !waits {
				return err
			}
		}
		if !busy.CompareAndSwap(false, true) {
			return nil
		}
		m.background(func(ctx context.Context) {
			defer busy.Store(false)
			if err := d.Run(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Log.Error("the doctor could not look", "err", err)
			}
		})
		return nil
	}
}

// Examine looks from outside: at a machine that runs, by asking it, or at what a
// Config would be.
func (o *Operator) Examine(ctx context.Context, cfg Config, from string) (rep doctor.Report, err error) {
	if from == "" && cfg.Relay == "" {
		err = o.json(ctx, http.MethodGet, "/doctor", &rep)
		if !errors.Is(err, errNotRunning) {
			return rep, err
		}
	}
	if cfg, err = cfg.check(); err != nil {
		return rep, err
	}
	cfg.Data = o.data
	cfg = cfg.withDefaults()
	schools, err := o.schools(ctx, from)
	if err != nil {
		return rep, err
	}
	lanes, err := lane.Load(nil)
	if err != nil {
		return rep, err
	}
	s, err := cfg.setup(schools, lanes)
	if err != nil {
		return rep, err
	}
	return doctor.Examine(ctx, s), nil
}

// schools returns those of the folder, or one that sends from an address.
func (o *Operator) schools(ctx context.Context, from string) (schools []roster.School, err error) {
	if from != "" {
		return []roster.School{{Mail: from}}, nil
	}
	err = o.withTable(func(t *bolttable.Table) error {
		schools, err = (&roster.Store{Table: t, Now: defaultNow}).Schools(ctx)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, problem.New(problem.NotFound,
			"ここにはデータベースがありません。--data でフォルダーを、または --from で学校のアドレスを指定してください。",
			"There is no database here: name the folder with --data, or the school's address with --from.")
	}
	return schools, err
}

// setup says what to look at.
func (c Config) setup(schools []roster.School, lanes *lane.Lanes) (doctor.Setup, error) {
	s := doctor.Setup{
		Web: c.BaseURL, Inbound: c.InboundDomain, Lists: doctor.Blocklists, Now: c.Now,
		Disk: c.disk, Backup: func() (time.Time, error) { return backedUp(c.Data) },
	}
	if c.Resolver != nil { // a nil one in an interface would not be nil
		s.DNS = c.Resolver
	}
	if c.Relay == "" {
		return s, nil // nothing leaves
	}
	relay, err := smtp.ParseURL(c.Relay)
	if err != nil {
		return s, err
	}
	s.Relay = doctorRelay(relay)
	if c.NTP != "" {
		s.Clock = c.clock
	}
	s.Mails = c.mails(schools, lanes)
	s.More = []func(context.Context) ([]doctor.Finding, []doctor.Fact){
		func(context.Context) ([]doctor.Finding, []doctor.Fact) { return doctor.NoSchool(schools), nil },
	}
	if local(s.Relay.Host) { // a relay beside us sends from our own address
		s.Own = c.Addresses
	}
	return s, nil
}

// local reports whether a relay is this machine or one beside it.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (a.IsLoopback() || a.IsPrivate())
}

// The ports of a relay, unless its URL names one.
const portSubmission, portImplicit = 587, 465

func doctorRelay(c smtp.Config) *doctor.Relay {
	r := &doctor.Relay{
		Host: c.Host, Port: c.Port, User: c.User, Password: c.Password, RootCAs: c.RootCAs,
		TLS: c.TLS == smtp.Implicit, Clear: c.TLS == smtp.Off,
	}
	switch {
	case r.Port != 0:
	case r.TLS:
		r.Port = portImplicit
	default:
		r.Port = portSubmission
	}
	return r
}

// mails are the different From domains of the schools.
func (c Config) mails(schools []roster.School, lanes *lane.Lanes) (mails []doctor.Mail) {
	seen := map[string]bool{}
	for _, s := range schools {
		domain := strings.ToLower(domainOf(s.Mail))
		if seen[domain] {
			continue
		}
		seen[domain] = true
		mails = append(mails, doctor.Mail{
			From: domain, Address: s.Mail, Selectors: c.DKIM, Sources: c.Addresses,
			FreeMail: lanes.Of(domain).Listed(),
		})
	}
	return mails
}

func (c Config) clock(ctx context.Context) (time.Duration, error) {
	deadline, _ := ctx.Deadline()
	r, err := ntp.QueryWithOptions(c.NTP, ntp.QueryOptions{Timeout: time.Until(deadline)})
	if err != nil {
		return 0, err
	}
	return r.ClockOffset, r.Validate()
}

func (c Config) disk() (doctor.Disk, error) {
	free, err := freeBytes(c.Data)
	if err != nil {
		return doctor.Disk{}, err
	}
	info, err := os.Stat(filepath.Join(c.Data, FileName))
	if err != nil {
		return doctor.Disk{}, err
	}
	return doctor.Disk{Free: free, Used: uint64(info.Size())}, nil
}

// backupName is the file, in the data folder, that says when it was last backed up.
const backupName = "last-backup"

// noteBackup notes that a backup is whole.
func noteBackup(data string, at time.Time) error {
	return os.WriteFile(filepath.Join(data, backupName), []byte(at.UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// backedUp returns when the last backup became whole; zero: never.
func backedUp(data string) (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(data, backupName))
	if errors.Is(err, os.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
}
