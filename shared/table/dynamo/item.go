package dynamo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/todoku/todoku/shared/table"
)

// attributes is an item, or its key, as DynamoDB has it.
type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(k table.Key) attributes {
	return attributes{PartitionAttribute: text(k.Partition), SortAttribute: text(k.Sort)}
}

// record returns the item of a record. Expires, if any, is a whole second after
// which no condition holds; see the conditions in request.go.
func record(k table.Key, revision int64, value []byte, expires time.Time) attributes {
	item := keyOf(k)
	item[revisionAttribute] = number(revision)
	if len(value) > 0 {
		item[valueAttribute] = &types.AttributeValueMemberB{Value: value}
	}
	if !expires.IsZero() {
		item[ExpiryAttribute] = number(expires.Unix())
	}
	return item
}

// live reports whether there is an item, and it has not expired at the second now.
// An expiry that is no number is left for parse to report.
func live(item attributes, now int64) bool {
	e, ok := item[ExpiryAttribute]
	if !ok {
		return len(item) > 0
	}
	at, err := parseNumber(e)
	return err != nil || now < at
}

// parse reads an item. An error means that somebody else has written to the table.
func parse(item attributes) (table.Item, error) {
	it := table.Item{Key: table.Key{Partition: parseText(item[PartitionAttribute]), Sort: parseText(item[SortAttribute])}}
	for name, value := range item {
		if err := parseInto(&it, name, value); err != nil {
			return table.Item{}, fmt.Errorf("dynamo: attribute %q: %w", name, err)
		}
	}
	return it, nil
}

func parseInto(it *table.Item, name string, value types.AttributeValue) error {
	switch name {
	case PartitionAttribute, SortAttribute:
		return nil
	case valueAttribute:
		b, ok := value.(*types.AttributeValueMemberB)
		if !ok {
			return errKind
		}
		it.Value = b.Value
		return nil
	}
	n, err := parseNumber(value)
	if err != nil {
		return err
	}
	field, isField := strings.CutPrefix(name, fieldPrefix)
	switch {
	case name == revisionAttribute:
		it.Revision = n
	case name == ExpiryAttribute:
		it.Expires = time.Unix(n, 0).UTC()
	case isField:
		if it.Counts == nil {
			it.Counts = map[string]int64{}
		}
		it.Counts[field] = n
	default:
		return errKind
	}
	return nil
}

func parseText(v types.AttributeValue) string {
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return s.Value
}

func parseNumber(v types.AttributeValue) (int64, error) {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, errKind
	}
	return strconv.ParseInt(n.Value, 10, 64)
}

func page(out *dynamodb.QueryOutput) (table.Page, error) {
	p := table.Page{Next: parseText(out.LastEvaluatedKey[SortAttribute])}
	for _, item := range out.Items {
		it, err := parse(item)
		if err != nil {
			return table.Page{}, err
		}
		p.Items = append(p.Items, it)
	}
	return p, nil
}
