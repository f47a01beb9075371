package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/mail/ses"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/roster"
)

// doctorRecords are what the doctor has found.
func (p *Parts) doctorRecords() *doctor.Records { return &doctor.Records{Table: p.store, Now: p.Now} }

// daily returns what examines once a day, and when somebody asks.
func (p *Parts) daily() *doctor.Daily {
	e := &examiner{parts: p, roster: p.Roster(), enrol: p.Enrol(), account: ses.OpenDoctor(p.aws, p.Config.MailSets)}
	return &doctor.Daily{Records: *p.doctorRecords(), Version: e.version, Setup: e.setup, Log: p.Log, Tell: doctor.TellManagers(&memo.Office{Staff: p.Staff(), Copies: p.Copies()}, e.roster, p.Now)}
}

// deployed names the program and its settings: at a deploy's end the doctor looks. It is
// found once for a process.
var deployed = sync.OnceValue(func() string {
	sum := sha256.New()
	if name, err := os.Executable(); err == nil {
		if f, err := os.Open(name); err == nil {
			_, _ = io.Copy(sum, f)
			_ = f.Close()
		}
	}
	for _, v := range slices.Sorted(slices.Values(os.Environ())) {
		if strings.HasPrefix(v, "TODOKU_") {
			_, _ = io.WriteString(sum, v+"\n")
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
})

// examiner says what there is to look at.
type examiner struct {
	parts   *Parts
	roster  *roster.Store
	enrol   *enrol.Store
	account *ses.Doctor
}

func (e *examiner) setup(ctx context.Context) (doctor.Setup, error) {
	schools, err := e.roster.Schools(ctx)
	if err != nil {
		return doctor.Setup{}, err
	}
	account := *e.account
	account.Recipients = func(ctx context.Context) (int, error) { return e.recipients(ctx, schools) }
	account.Known = func(ctx context.Context, address string) (bool, error) { return e.known(ctx, schools, address) }
	s := doctor.Setup{Web: e.parts.Config.BaseURL, Inbound: e.parts.Config.InboundDomain, Now: e.parts.Now}
	if dns, ok := resolver.(doctor.Resolver); ok {
		s.DNS = dns
	}
	found := doctor.NoSchool(schools)
	for _, domain := range doctor.Domains(schools) {
		m, findings := account.Mail(ctx, domain)
		s.Mails = append(s.Mails, m)
		found = append(found, findings...)
	}
	identities := func(context.Context) ([]doctor.Finding, []doctor.Fact) { return found, nil }
	s.More = []func(context.Context) ([]doctor.Finding, []doctor.Fact){identities, account.Account, account.Set, account.Suppressed}
	return s, nil
}

// version names what is deployed, and for whom.
func (e *examiner) version(ctx context.Context) (string, error) {
	schools, err := e.roster.Schools(ctx)
	return deployed() + " " + strings.Join(doctor.Domains(schools), " "), err
}

// recipients returns how many addresses get an alert to everybody of the schools, as
// they were counted today.
func (e *examiner) recipients(ctx context.Context, schools []roster.School) (n int, err error) {
	for _, s := range schools {
		scores, err := e.enrol.Scores(ctx, s.ID, 1)
		if err != nil {
			return 0, err
		}
		for _, score := range scores {
			n += score.Contacts
		}
	}
	return n, nil
}

// known reports whether an address is in a roster of the schools.
func (e *examiner) known(ctx context.Context, schools []roster.School, text string) (bool, error) {
	a, err := address.Parse(text)
	if err != nil {
		return false, nil //nolint:nilerr // what cannot be read is in no roster
	}
	for _, s := range schools {
		_, err := e.roster.FindByAddress(ctx, s.ID, a.Key())
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, roster.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}
