package staff

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// LinkLife is how long a sign-in link works: long enough for a mail that is
// deferred a little, short enough that a forgotten one is of no use.
const LinkLife = 30 * time.Minute

// ErrLink says that a sign-in link does not work, or no longer. Which of the two
// is not known: nothing is kept of a link that was used.
var ErrLink = problem.New(problem.Gone,
	"このサインイン用リンクは、使用済みか、期限が切れています。この画面から、もう一度サインインしてください。",
	"This sign-in link has been used already or has expired. Sign in again from this page.")

// signIn is what is kept of a link.
type signIn struct {
	Staff   string    `json:"staff"`
	Expires time.Time `json:"expires"`
	Browser string    `json:"browser,omitempty"` // hash of the secret of the only browser in which it works
	Epoch   int       `json:"epoch,omitempty"`
}

// NewLink returns the token of a link that signs a member of staff in, once,
// within life (0: LinkLife). It fails with ErrNotFound if there is no such person.
func (s *Store) NewLink(ctx context.Context, staffID string, life time.Duration) (string, error) {
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return "", err
	}
	if life == 0 {
		life = LinkLife
	}
	token := s.newSecret(linkBytes)
	link := signIn{Staff: staffID, Expires: s.Now().UTC().Add(life).Truncate(time.Second), Epoch: m.Epoch}
	return token, s.write(ctx, table.Create{Key: secretKey("signin", token), Value: table.Encode(link), Expires: link.Expires})
}

// CheckLink fails with ErrLink if a link would not sign in. It changes nothing:
// mail scanners and previews open links, and must not use them up.
// browser is the secret of NewBrowser that the browser has, if any.
func (s *Store) CheckLink(ctx context.Context, token, browser string) error {
	_, _, err := s.link(ctx, token, browser)
	return err
}

// ErrBrowser says that a link was asked for in another browser. Whose it is, it does
// not say.
var ErrBrowser = problem.New(problem.Forbidden,
	"このリンクは、メールを依頼したブラウザーでだけ使えます。そのブラウザーで開くか、このブラウザーで、もう一度サインインのメールを依頼してください。",
	"This link works only in the browser in which it was asked for. Open it there, or ask for a new mail in this one.")

// SignIn uses a link up and starts a session; secret is for the person's cookie.
// It fails with ErrLink if the link does not work, with ErrBrowser if it works in another
// browser than that of the secret browser ("": none is known), and with ErrPasskey if it was
// mailed and the school wants more. Of two that use one link at the same time exactly one succeeds.
func (s *Store) SignIn(ctx context.Context, token, browser string) (secret string, m Staff, err error) {
	link, revision, err := s.link(ctx, token, browser)
	if err != nil {
		return "", Staff{}, err
	}
	m, err = s.Staff(ctx, link.Staff)
	if errors.Is(err, ErrNotFound) || err == nil && m.out(link.Epoch) {
		err = ErrLink
	}
	if err != nil {
		return "", Staff{}, err
	}
	proven, used := link.Browser == "", []table.Op(nil) // it came by the operator or a manager, not by mail
	if !proven {
		if proven, used, err = s.weaker(ctx, m, AnyWay); err != nil {
			return "", Staff{}, err
		}
	}
	secret = s.newSecret(sessionBytes)
	session := s.newSession(m, proven)
	m.Via = session.ID
	used = append(used, table.Delete{Key: secretKey("signin", token), Revision: revision})
	err = s.write(ctx, append(session.create(secret), used...)...)
	if _, lost := table.Conflict(err); lost {
		err = ErrLink
	}
	if err != nil {
		return "", Staff{}, err
	}
	return secret, m, s.noteSignIn(ctx, m.ID)
}

func (s *Store) link(ctx context.Context, token, browser string) (signIn, int64, error) {
	if token == "" || len(token) > maxSecret {
		return signIn{}, 0, ErrLink
	}
	var l signIn
	revision, err := s.read(ctx, secretKey("signin", token), &l)
	if errors.Is(err, ErrNotFound) || err == nil && !s.Now().Before(l.Expires) {
		return l, 0, ErrLink
	}
	if err == nil && l.Browser != "" && (browser == "" || l.Browser != browserHash(browser)) {
		return l, 0, ErrBrowser
	}
	return l, revision, err
}
