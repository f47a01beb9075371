package roster

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Store keeps rosters in a table. This is the map of its keys:
//
//	partition                   sort             item
//	schools                     <school>         School
//	school/<school>/mapping     columns          Mapping
//	school/<school>/groups      group/<group>    Group, without its count
//	                            count/<group>    counter: children
//	school/<school>/families    <family>         Family
//	school/<school>/in/<group>  <family>         Member
//	school/<school>/addresses   <address key>    Place of the contact with that address
//	school/<school>/numbers     <number>         Place of the child with that number
//
// The items below the families are second ways to them. They change in the same
// write as the family and in no other, so that they agree with it always: an
// address is one contact, and a count is exact without counting (ways.go).
//
// IDs and Now must be set to write. Its methods are safe for concurrent use.
type Store struct {
	Table table.Table
	IDs   *id.Source
	Now   func() time.Time
}

// ErrNotFound says that there is no such school, family, address or number.
var ErrNotFound = errors.New("roster: not found")

// Place says where in the roster something is.
type Place struct {
	Family   string `json:"f"`
	Guardian string `json:"g,omitempty"` // of an address
	Contact  string `json:"k,omitempty"` // of an address
	Child    string `json:"c,omitempty"` // of a number
}

const (
	schoolsPart = "schools"
	groupPrefix = "group/"
	countPrefix = "count/"
	countField  = "children"
	maxID       = 64 // bytes of any id in a key
)

func part(school, rest string) string { return "school/" + school + "/" + rest }

func schoolKey(school string) table.Key { return table.Key{Partition: schoolsPart, Sort: school} }

func mappingKey(school string) table.Key {
	return table.Key{Partition: part(school, "mapping"), Sort: "columns"}
}

func groupKey(school, group string) table.Key {
	return table.Key{Partition: part(school, "groups"), Sort: groupPrefix + group}
}

func countKey(school, group string) table.Key {
	return table.Key{Partition: part(school, "groups"), Sort: countPrefix + group}
}

func familyKey(school, family string) table.Key {
	return table.Key{Partition: part(school, "families"), Sort: family}
}

func memberKey(school, group, family string) table.Key {
	return table.Key{Partition: part(school, "in/"+group), Sort: family}
}

func addressKey(school, key string) table.Key {
	return table.Key{Partition: part(school, "addresses"), Sort: key}
}

func numberKey(school, number string) table.Key {
	return table.Key{Partition: part(school, "numbers"), Sort: fold(number)}
}

// usable reports whether a string from outside can be part of a key.
func usable(ids ...string) bool {
	for _, s := range ids {
		if s == "" || len(s) > maxID || strings.ContainsAny(s, "/\x00") || !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// School reads a school. It fails with ErrNotFound if there is none.
func (s *Store) School(ctx context.Context, school string) (School, error) {
	if !usable(school) {
		return School{}, ErrNotFound
	}
	var v School
	_, err := s.read(ctx, schoolKey(school), &v)
	return v, err
}

// PutSchool creates the school or replaces what is known of it; the last one to
// write wins. Its id and name must be set.
func (s *Store) PutSchool(ctx context.Context, v School) error {
	if !usable(v.ID) || clean(v.Name) == "" {
		return problem.New(problem.Invalid, "学校の名前を入れてください。", "Please fill in the school's name.").In("name")
	}
	return s.set(ctx, schoolKey(v.ID), v)
}

// Schools returns all schools in the order of their ids.
func (s *Store) Schools(ctx context.Context) ([]School, error) {
	schools, err := all[School](ctx, s.Table, table.Query{Partition: schoolsPart})
	return slices.DeleteFunc(schools, func(v School) bool { return v.Proof }), err
}

// Family reads a family. It fails with ErrNotFound if there is none.
func (s *Store) Family(ctx context.Context, school, family string) (Family, error) {
	if !usable(school, family) {
		return Family{}, ErrNotFound
	}
	item, err := s.Table.Get(ctx, familyKey(school, family))
	if errors.Is(err, table.ErrNotFound) {
		return Family{}, ErrNotFound
	}
	if err != nil {
		return Family{}, err
	}
	return decodeFamily(item)
}

// FamiliesOf reads families by their ids. Those that there are not are left out.
func (s *Store) FamiliesOf(ctx context.Context, school string, ids []string) ([]Family, error) {
	families := make([]Family, 0, len(ids))
	err := s.readMany(ctx, school, ids, familyKey, func(item table.Item) error {
		f, err := decodeFamily(item)
		families = append(families, f)
		return err
	})
	return families, err
}

// readMany reads the records of a school that have these ids and are there.
func (s *Store) readMany(ctx context.Context, school string, ids []string, key func(school, id string) table.Key, f func(table.Item) error) error {
	if !usable(school) {
		return nil
	}
	keys := make([]table.Key, 0, len(ids))
	for _, id := range ids {
		if usable(id) {
			keys = append(keys, key(school, id))
		}
	}
	for some := range slices.Chunk(keys, table.MaxOps) {
		items, err := s.Table.GetMany(ctx, some...)
		if err != nil {
			return err
		}
		for _, item := range items {
			if item.Revision == 0 {
				continue
			}
			if err := f(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// Families returns one page of a school's families in the order of their ids,
// those after the given one, and next to go on with; an empty next is the end.
func (s *Store) Families(ctx context.Context, school, after string) (families []Family, next string, err error) {
	return s.FamiliesUpTo(ctx, school, after, table.MaxPage)
}

// All yields a school's families in the order of their ids. An error is the last that it
// yields.
func (s *Store) All(ctx context.Context, school string) iter.Seq2[Family, error] {
	return func(yield func(Family, error) bool) {
		if !usable(school) {
			return
		}
		for item, err := range table.Items(ctx, s.Table, table.Query{Partition: part(school, "families")}) {
			var f Family
			if err == nil {
				f, err = decodeFamily(item)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// FamiliesUpTo returns a page as Families does, of at most limit families.
func (s *Store) FamiliesUpTo(ctx context.Context, school, after string, limit int) (families []Family, next string, err error) {
	if !usable(school) {
		return nil, "", nil
	}
	page, err := s.Table.Query(ctx, table.Query{Partition: part(school, "families"), After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, item := range page.Items {
		f, err := decodeFamily(item)
		if err != nil {
			return nil, "", err
		}
		families = append(families, f)
	}
	return families, page.Next, nil
}

// Members returns one page of the families with children in a class or other
// group, in the order of their ids: those after the given one, at most
// table.MaxPage, and next to go on with; an empty next is the end. A group that
// does not exist has none. A grade has none of its own: Expand it first.
func (s *Store) Members(ctx context.Context, school, group, after string) (members []Member, next string, err error) {
	if !usable(school, group) {
		return nil, "", nil
	}
	page, err := s.Table.Query(ctx, table.Query{Partition: part(school, "in/"+group), After: after})
	if err != nil {
		return nil, "", err
	}
	for _, item := range page.Items {
		m, err := decodeMember(item)
		if err != nil {
			return nil, "", err
		}
		members = append(members, m)
	}
	return members, page.Next, nil
}

// FindByAddress returns whose contact an address is, given its address.Address.Key.
// It fails with ErrNotFound if it is nobody's.
func (s *Store) FindByAddress(ctx context.Context, school, key string) (Place, error) {
	if !usable(school) || key == "" || len(key) > table.MaxSortBytes || strings.Contains(key, "\x00") || !utf8.ValidString(key) {
		return Place{}, ErrNotFound
	}
	var p Place
	_, err := s.read(ctx, addressKey(school, key), &p)
	return p, err
}

// Mapping returns the columns that the school's office named by hand at an earlier
// import; it is empty if there are none.
func (s *Store) Mapping(ctx context.Context, school string) (Mapping, error) {
	var m Mapping
	_, err := s.read(ctx, mappingKey(school), &m)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return m, err
}

// SaveMapping remembers the columns of a school's sheets for the next import. What
// was remembered before is forgotten.
func (s *Store) SaveMapping(ctx context.Context, school string, m Mapping) error {
	if err := m.check(); err != nil {
		return err
	}
	return s.set(ctx, mappingKey(school), m.withHeaders())
}

// read decodes the record under key into v and returns its revision.
func (s *Store) read(ctx context.Context, key table.Key, v any) (int64, error) {
	return table.Read(ctx, s.Table, key, v, ErrNotFound)
}

// set writes a record whatever was there before.
func (s *Store) set(ctx context.Context, key table.Key, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return table.Set(ctx, s.Table, table.Item{Key: key, Value: value})
}

// all reads all records that a query finds.
func all[T any](ctx context.Context, t table.Table, q table.Query) ([]T, error) {
	var vs []T
	err := each(ctx, t, q, func(item table.Item) error {
		var v T
		err := json.Unmarshal(item.Value, &v)
		vs = append(vs, v)
		return err
	})
	return slices.Clip(vs), err
}

// each calls fn for every item that a query finds, page after page.
func each(ctx context.Context, t table.Table, q table.Query, fn func(table.Item) error) error {
	for item, err := range table.Items(ctx, t, q) {
		if err != nil {
			return err
		}
		if err := fn(item); err != nil {
			return err
		}
	}
	return nil
}

// Key identifies the contact's mailbox, as address.Address.Key does.
func (c Contact) Key() string {
	if isASCII(c.Address) {
		return strings.ToLower(c.Address)
	}
	a, err := address.Parse(c.Address) // an internationalised domain has its own form in keys
	if err != nil {
		return strings.ToLower(c.Address)
	}
	return a.Key()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
