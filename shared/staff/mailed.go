package staff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// MailedLife is how long a link works that somebody asked for by mail.
const MailedLife = 15 * time.Minute

// mailKey is where it stands who has a mail address: under its hash, one item a
// person.
func mailKey(address, staffID string) table.Key {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(address))))
	return table.Key{Partition: "staffmail/" + hex.EncodeToString(sum[:]), Sort: staffID}
}

// mailOps returns the ops that keep the list of addresses right when a person's
// becomes another. The list may lack a person who was written by an older version.
func (s *Store) mailOps(ctx context.Context, old, m Staff) ([]table.Op, error) {
	if mailKey(old.Mail, m.ID) == mailKey(m.Mail, m.ID) {
		return nil, nil
	}
	var ops []table.Op
	if old.Mail != "" {
		_, err := s.Table.Get(ctx, mailKey(old.Mail, m.ID))
		if err == nil {
			ops = append(ops, table.Delete{Key: mailKey(old.Mail, m.ID), Revision: 1})
		} else if !errors.Is(err, table.ErrNotFound) {
			return nil, err
		}
	}
	if m.Mail != "" {
		ops = append(ops, table.Create{Key: mailKey(m.Mail, m.ID)})
	}
	return ops, nil
}

// ByMail returns who has a mail address, upper and lower case alike: nobody, one,
// or more who share it or work at several schools. Of one school it returns ten at most,
// so that no school's people stand in the way of another's.
func (s *Store) ByMail(ctx context.Context, address string) ([]Staff, error) {
	var all []Staff
	of := map[string]int{} // how many, by school
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: mailKey(address, "").Partition}) {
		if err != nil {
			return nil, err
		}
		m, err := s.Staff(ctx, item.Sort)
		if err != nil {
			return nil, err
		}
		if m.Disabled || of[m.School] == maxShared {
			continue
		}
		of[m.School]++
		all = append(all, m)
	}
	return all, nil
}

// maxShared bounds how many people of a school one address can stand for.
const maxShared = 10

// NewBrowser returns a secret by which the browser that asks for a link is known
// again.
func (s *Store) NewBrowser() string { return s.newSecret(linkBytes) }

// NewMailedLink is NewLink for a person who asked for it from a browser: it works
// for MailedLife, and in that browser only. It fails with ErrNotFound if the person, the
// school, or who asks has had all mails for now, and with ErrPasskey if a link would not
// sign in.
func (s *Store) NewMailedLink(ctx context.Context, staffID, browser string, a Asker) (string, error) {
	now := s.Now().UTC()
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return "", err
	}
	if ok, err := s.spendMail(ctx, m, a); err != nil {
		return "", err
	} else if !ok {
		return "", ErrNotFound
	}
	if _, _, err := s.weaker(ctx, m, AnyWay); err != nil {
		return "", err
	}
	token := s.newSecret(linkBytes)
	link := signIn{Staff: staffID, Expires: now.Add(MailedLife).Truncate(time.Second), Browser: browserHash(browser), Epoch: m.Epoch}
	return token, s.write(ctx, table.Create{Key: secretKey("signin", token), Value: table.Encode(link), Expires: link.Expires})
}

func browserHash(browser string) string { return secretKey("browser", browser).Partition }
