package enrol

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Limits of a guardian's own page.
const (
	OwnLife  = time.Hour            // of the link to it
	MaxPause = 180 * 24 * time.Hour // from now to the end of a pause
	maxOwn   = 20                   // requests for a link in an hour from one source
	maxTests = 3                    // test mails an hour to one address
	joinsDay = 10                   // addresses that one guardian adds in a day
)

// Owner is a guardian as his or her own page shows it.
type Owner struct {
	School   string
	Family   roster.Family
	Guardian roster.Guardian
	Contact  roster.Contact // by whose link the page was opened
}

// Children returns the children for whom the guardian answers, and no others of the
// family.
func (o Owner) Children() []roster.Child {
	return o.Family.ChildrenOf(o.Guardian.ID)
}

// Owner finds the guardian of a contact; family is where it was when the link was
// made. It fails with ErrNotFound if the contact is not there any more.
func (s *Store) Owner(ctx context.Context, school, family, contact string) (Owner, error) {
	var g *roster.Guardian
	var c *roster.Contact
	f, err := s.search(ctx, school, family, func(f roster.Family) bool {
		g, c = f.Contact(contact)
		return c != nil
	})
	if err != nil {
		return Owner{}, err
	}
	return Owner{school, f, *g, *c}, nil
}

// MayAskOwn counts a request for RequestOwn, whether or not anybody has the address. It
// fails with ErrTooMany if the source has asked too often.
func (s *Store) MayAskOwn(ctx context.Context, source string) error {
	return s.spend(ctx, "own", source, maxOwn, time.Hour)
}

// RequestOwn mails the link to the own page if the address is a contact of any
// school, and does nothing if not. It takes longer if it is, and only then can the error be
// the operator's: whoever asked is not to wait for it, nor to be told.
func (p *Poster) RequestOwn(ctx context.Context, a address.Address) error {
	s := p.Store
	schools, err := s.Roster.Schools(ctx)
	if err != nil {
		return err
	}
	var unsent error
	for _, school := range schools {
		place, err := s.Roster.FindByAddress(ctx, school.ID, a.Key())
		if errors.Is(err, roster.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.spend(ctx, "letters", a.Key(), MaxLetters, 24*time.Hour); errors.Is(err, ErrTooMany) {
			return unsent // as if it were nobody's
		} else if err != nil {
			return err
		}
		to, err := p.OwnLink(school.ID, place, link.Own)
		if err != nil {
			return err
		}
		err = p.Mail.Send(ctx, letter.OwnPage(letter.To{School: school, Lang: s.langOf(ctx, school.ID, place), ID: s.IDs.New(), Mailbox: a.Mailbox(), Now: s.Now()}, to))
		unsent = errors.Join(unsent, err)
	}
	return unsent
}

// langOf returns in which language a contact's guardian wants to be written to, "" if
// that is not known.
func (s *Store) langOf(ctx context.Context, school string, at roster.Place) lang.Lang {
	f, err := s.Roster.Family(ctx, school, at.Family)
	if err != nil {
		return "" // the mail is of more use than its order of languages
	}
	g, _ := f.Guardian(at.Guardian)
	return lang.Lang(g.Lang)
}

// OwnLink returns the address of a contact's page: link.Own or link.Leave.
func (p *Poster) OwnLink(school string, place roster.Place, kind link.Kind) (string, error) {
	token, err := p.Links.Sign(link.Link{
		Kind: kind, Class: school, Family: place.Family, Contact: place.Contact, Expires: p.Store.Now().Add(OwnLife),
	})
	return p.BaseURL + kind.Path() + token, err
}

// Add keeps a further address of the guardian until it is confirmed; replaces is
// the id of the contact in whose place it comes then, "" if in none's.
func (s *Store) Add(ctx context.Context, o Owner, a address.Address, replaces string) (Join, error) {
	if err := s.spend(ctx, "add", o.Guardian.ID, joinsDay, 24*time.Hour); err != nil {
		return Join{}, err
	}
	j := Join{School: o.School, Door: Self, Address: a.String(), Guardian: o.Guardian.ID, Replaces: replaces, Lang: lang.Lang(o.Guardian.Lang)}
	j.Children = childrenOf(o.Family, o.Guardian.ID)
	if len(j.Children) == 0 {
		return Join{}, errGone
	}
	return s.keep(ctx, j)
}

// edit changes the guardian, and begins anew if somebody else changes the family.
func (s *Store) edit(ctx context.Context, o Owner, fn func(f *roster.Family, g *roster.Guardian) error) error {
	return table.Again(func() error {
		now, err := s.Owner(ctx, o.School, o.Family.ID, o.Contact.ID)
		if err != nil {
			return err
		}
		f := union([]roster.Family{now.Family}).Family
		i := slices.IndexFunc(f.Guardians, func(g roster.Guardian) bool { return g.ID == now.Guardian.ID })
		if err := fn(&f, &f.Guardians[i]); err != nil {
			return err
		}
		_, err = s.Roster.PutFamily(ctx, o.School, f)
		return err
	})
}

// ErrPause says that a pause does not end in time.
var ErrPause = problem.New(problem.Invalid,
	"再開する日は、明日から180日以内で選んでください。",
	"Choose a day between tomorrow and 180 days from now.").In("until")

// Pause stops all mail to one of the guardian's contacts until a time, which must
// come within MaxPause; the zero time ends a pause.
func (s *Store) Pause(ctx context.Context, o Owner, contact string, until time.Time) error {
	if now := s.Now(); !until.IsZero() && (!until.After(now) || until.After(now.Add(MaxPause))) {
		return ErrPause
	}
	return s.editContact(ctx, o, contact, func(c *roster.Contact) { c.Paused = until.UTC() })
}

// Quiet has a contact get no notices, or notices again. Safety checks and drills
// come all the same.
func (s *Store) Quiet(ctx context.Context, o Owner, contact string, quiet bool) error {
	return s.editContact(ctx, o, contact, func(c *roster.Contact) { c.Quiet = quiet })
}

func (s *Store) editContact(ctx context.Context, o Owner, contact string, fn func(*roster.Contact)) error {
	err := s.edit(ctx, o, func(_ *roster.Family, g *roster.Guardian) error {
		for i := range g.Contacts {
			if g.Contacts[i].ID == contact {
				fn(&g.Contacts[i])
				return nil
			}
		}
		return ErrNotFound
	})
	return err
}

// Speak has the guardian written to in a language.
func (s *Store) Speak(ctx context.Context, o Owner, l lang.Lang) error {
	err := s.edit(ctx, o, func(_ *roster.Family, g *roster.Guardian) error {
		g.Lang = string(l)
		return nil
	})
	return err
}

// Leave deletes one of the guardian's contacts, and returns how many children have no
// route left. The school is told of them by the tick's feeding of the lanes, and the
// tick takes the address out of alerts that are over: that they are to is written before
// the contact goes, so that no crash loses it.
func (s *Store) Leave(ctx context.Context, o Owner, contact string, lanes *lane.Lanes) (lost int, err error) {
	at := s.Now().UTC().Add(FeedEvery)
	err = s.edit(ctx, o, func(f *roster.Family, g *roster.Guardian) error {
		i := slices.IndexFunc(g.Contacts, func(c roster.Contact) bool { return c.ID == contact })
		if i < 0 {
			return ErrNotFound
		}
		if err := s.forgetAddress(ctx, o.School, f.ID, g.Contacts[i]); err != nil {
			return err
		}
		f.Close(g.Contacts[i])
		g.Contacts = slices.Delete(g.Contacts, i, i+1)
		alone := unreached(*f, childrenOf(*f, g.ID))
		lost = len(alone)
		return s.lookAt(ctx, o.School, contact, alone, at, lanes)
	})
	return lost, err
}

// forgetAddress has an address forgotten elsewhere than in the roster: in alerts, and in
// the registrations with which it came.
func (s *Store) forgetAddress(ctx context.Context, school, family string, c roster.Contact) error {
	if err := alert.PutForget(ctx, s.Table, s.Now(), alert.Forget{School: school, Family: family, Contact: c.ID}); err != nil {
		return err
	}
	return s.forgetJoins(ctx, school, nil, map[string]bool{c.Key(): true})
}

// Test mails one of the guardian's contacts what an alert would look like.
func (p *Poster) Test(ctx context.Context, o Owner, contact string) error {
	i := slices.IndexFunc(o.Guardian.Contacts, func(c roster.Contact) bool { return c.ID == contact })
	if i < 0 {
		return ErrNotFound
	}
	a, err := address.Parse(o.Guardian.Contacts[i].Address)
	if err != nil {
		return err
	}
	if err := p.Store.spend(ctx, "test", a.Key(), maxTests, time.Hour); err != nil {
		return err
	}
	school, err := p.Store.Roster.School(ctx, o.School)
	if err != nil {
		return err
	}
	return p.Mail.Send(ctx, letter.Test(letter.To{School: school, Lang: lang.Lang(o.Guardian.Lang), ID: p.Store.IDs.New(), Mailbox: a.Mailbox(), Now: p.Store.Now()}))
}
