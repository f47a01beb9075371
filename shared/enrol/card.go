package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Card is a family card, a paper that a child's family keeps, with a code that reports the
// child safe while a safety check is open: without mail, without an account, from any
// telephone. It is printed once and works until it is replaced or revoked, or the child
// leaves the roster. It says nothing else, and registers nobody.
//
//	card/<code>           card      a Card
//	school/<id>/cards     <child>   the child's Card
type Card struct {
	ChildRef
	Code   string    `json:"code"`
	School string    `json:"school"`
	Made   time.Time `json:"made"`

	Revision int64 `json:"-"`
}

// ErrWrongCard says that a code is that of no card.
var ErrWrongCard = problem.New(problem.Invalid,
	"この家庭カードのコードは使えません。カードのQRコードを、もう一度読み取ってください。古いカードの場合は、学校に新しいカードをもらってください。",
	"The code of this family card does not work. Scan the card again. If the card is old, ask the school for a new one.").In("code")

// CardPath is where the page behind a card is, before the code.
const CardPath = Path + "/card"

func cardKey(code string) table.Key { return table.Key{Partition: "card/" + code, Sort: "card"} }

func childCardKey(school, child string) table.Key {
	return table.Key{Partition: "school/" + school + "/cards", Sort: child}
}

// IssueCards returns the cards of children, in their order. A child keeps the one that
// it has unless anew is set: then the old one ends at once.
func (s *Store) IssueCards(ctx context.Context, school string, children []ChildRef, anew bool) ([]Card, error) {
	cards := make([]Card, len(children))
	for i, c := range children {
		card, err := s.issueCard(ctx, school, c, anew)
		if err != nil {
			return nil, err
		}
		cards[i] = card
	}
	return cards, nil
}

func (s *Store) issueCard(ctx context.Context, school string, c ChildRef, anew bool) (card Card, err error) {
	err = table.Again(func() error {
		old, err := s.cardOf(ctx, school, c.Child)
		if err != nil || old.Revision > 0 && !anew {
			card = old
			return err
		}
		card = Card{ChildRef: c, Code: s.newCode(), School: school, Made: s.Now().UTC()}
		ops := []table.Op{table.Create{Key: cardKey(card.Code), Value: table.Encode(card)}}
		if old.Revision == 0 {
			ops = append(ops, table.Create{Key: childCardKey(school, c.Child), Value: table.Encode(card)})
		} else {
			ops = append(ops, table.Replace{Key: childCardKey(school, c.Child), Revision: old.Revision, Value: table.Encode(card)},
				table.Delete{Key: cardKey(old.Code), Revision: 1})
		}
		return s.Table.Write(ctx, "", ops...)
	})
	return card, err
}

// cardOf reads a child's card; one with Revision 0 says that it has none.
func (s *Store) cardOf(ctx context.Context, school, child string) (Card, error) {
	var c Card
	rev, err := s.read(ctx, childCardKey(school, child), &c)
	if errors.Is(err, ErrNotFound) {
		return Card{}, nil
	}
	c.Revision = rev
	return c, err
}

// RevokeCard ends a child's card. It is no error if the child has none.
func (s *Store) RevokeCard(ctx context.Context, school, child string) error {
	return table.Again(func() error {
		c, err := s.cardOf(ctx, school, child)
		if err != nil || c.Revision == 0 {
			return err
		}
		return s.Table.Write(ctx, "", table.Delete{Key: childCardKey(school, child), Revision: c.Revision}, table.Delete{Key: cardKey(c.Code), Revision: 1})
	})
}

// Cards returns a school's cards, by the children's ids.
func (s *Store) Cards(ctx context.Context, school string) (map[string]Card, error) {
	cards := map[string]Card{}
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: childCardKey(school, "").Partition}) {
		if err != nil {
			return nil, err
		}
		var c Card
		if err := json.Unmarshal(item.Value, &c); err != nil {
			return nil, err
		}
		cards[c.Child] = c
	}
	return cards, nil
}

// Card returns the card with a code, and the child's family as it is now. It fails with
// ErrWrongCard for a code of nobody, which counts against the source unless its check
// character is wrong: nobody guesses with those. It fails with ErrTooMany if the source has tried too many.
func (s *Store) Card(ctx context.Context, typed, source string) (Card, roster.Family, error) {
	if err := s.mayTry(ctx, source); err != nil {
		return Card{}, roster.Family{}, err
	}
	c, f, err := s.card(ctx, typed)
	if _, whole := ParseCode(typed); whole && errors.Is(err, ErrWrongCard) {
		if err := s.tried(ctx, source); err != nil {
			return Card{}, roster.Family{}, err
		}
	}
	return c, f, err
}

func (s *Store) card(ctx context.Context, typed string) (Card, roster.Family, error) {
	code, ok := ParseCode(typed)
	if !ok {
		return Card{}, roster.Family{}, ErrWrongCard
	}
	var c Card
	_, err := s.read(ctx, cardKey(code), &c)
	if errors.Is(err, ErrNotFound) {
		return Card{}, roster.Family{}, ErrWrongCard
	}
	if err != nil {
		return Card{}, roster.Family{}, err
	}
	f, _, err := s.familyOf(ctx, c.School, c.ChildRef)
	if errors.Is(err, errGone) {
		return Card{}, roster.Family{}, ErrWrongCard
	}
	return c, f, err
}
