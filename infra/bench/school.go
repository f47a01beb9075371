package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// seed makes every run send the same.
const seed = 1

// The alert that is sent, as long as such alerts are.
const (
	subject = "大雨のため、引き取り下校を行います"
	body    = "大雨警報が発表されたため、本日は13時30分から引き取り下校を行います。\n" +
		"体育館の入口で学級名とお名前をお知らせください。車での来校はご遠慮ください。\n" +
		"お迎えが難しい場合は、学校でお子さんをお預かりします。下のリンクから回答をお願いします。"
	useful      = 6 * time.Hour
	managerName = "計測 花子"
	managerMail = "hanako@bench.example.jp"
)

// school is a roster of n contacts, in a folder of its own.
type school struct {
	n   int
	dir string
}

// aSchool is the school whose roster is measured.
func aSchool(ids *id.Source) roster.School {
	return roster.School{
		ID: ids.New(), Name: "計測市立見本小学校", Mail: "renraku@bench.example.jp",
		Phone: "03-0000-0000", Zone: "Asia/Tokyo",
	}
}

func newIDs() *id.Source { return id.NewSource(time.Now, rand.Reader) }

// makeSchool makes a school with a roster of n contacts below dir, or takes the
// one that an earlier run has left there.
func makeSchool(ctx context.Context, dir string, n int, progress func(done int)) (*school, error) {
	s := &school{n: n, dir: filepath.Join(dir, fmt.Sprintf("roster-%d", n))}
	if _, err := os.Stat(s.dir); err == nil {
		return s, nil
	}
	half := s.dir + ".half" // until it is whole
	if err := os.RemoveAll(half); err != nil {
		return nil, err
	}
	if err := fill(ctx, half, n, progress); err != nil {
		return nil, err
	}
	return s, os.Rename(half, s.dir)
}

func fill(ctx context.Context, dir string, n int, progress func(done int)) (err error) {
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	manager, err := m.Found(ctx, aSchool(newIDs()), staff.Staff{Name: managerName, Mail: managerMail})
	if err != nil {
		return err
	}
	groups, families := roster.Big(seed, n, newIDs())
	return m.Roster.Load(ctx, manager.School, groups, counted(families, progress))
}

// counted tells progress how many contacts have gone by.
func counted(families iter.Seq[roster.Family], progress func(done int)) iter.Seq[roster.Family] {
	return func(yield func(roster.Family) bool) {
		done := 0
		for f := range families {
			for _, g := range f.Guardians {
				done += len(g.Contacts)
			}
			progress(done)
			if !yield(f) {
				return
			}
		}
	}
}

// copy copies the database into a new folder.
func (s *school) copy() (dir string, err error) {
	dir, err = os.MkdirTemp(filepath.Dir(s.dir), "run-")
	if err != nil {
		return "", err
	}
	from, err := os.Open(filepath.Join(s.dir, machine.FileName))
	if err != nil {
		return "", err
	}
	defer func() { _ = from.Close() }()
	to, err := os.Create(filepath.Join(dir, machine.FileName))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Sync() // or the measured program waits for it
	}
	return dir, errors.Join(err, to.Close())
}
