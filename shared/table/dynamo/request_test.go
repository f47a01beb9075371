package dynamo

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/table"
)

var (
	build   = builder{table: "t"}
	key     = table.Key{Partition: "p", Sort: "s"}
	now     = time.Unix(1000, 999).UTC()
	expires = time.Unix(2000, 999).UTC() // the fraction does not count
	name    = aws.String("t")
)

// equal compares what the SDK's types hold.
var equal = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{},
	types.Put{}, types.Update{}, types.Delete{}, types.ConditionCheck{}, types.TransactWriteItem{},
	dynamodb.TransactWriteItemsInput{}, dynamodb.GetItemInput{}, dynamodb.QueryInput{},
)

func n(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
func b(s string) types.AttributeValue { return &types.AttributeValueMemberB{Value: []byte(s)} }

// with returns an item with the test's key.
func with(more attributes) attributes {
	item := attributes{"pk": text("p"), "sk": text("s")}
	maps.Copy(item, more)
	return item
}

// TestOps builds each op as an item of a transaction, which is what a lone one has
// under another name.
func TestOps(t *testing.T) {
	const (
		absent     = "attribute_not_exists(pk) OR e <= :now"
		atRevision = "r = :r AND (attribute_not_exists(e) OR e > :now)"
	)
	nowOnly, atThree := attributes{":now": n("1000")}, attributes{":now": n("1000"), ":r": n("3")}
	for _, tt := range []struct {
		name string
		op   table.Op
		want types.TransactWriteItem
	}{
		{"create", table.Create{Key: key, Value: []byte("v")}, types.TransactWriteItem{Put: &types.Put{
			TableName: name, Item: with(attributes{"v": b("v"), "r": n("1")}), ConditionExpression: aws.String(absent), ExpressionAttributeValues: nowOnly}}},
		{"create what expires, empty", table.Create{Key: key, Expires: expires}, types.TransactWriteItem{Put: &types.Put{
			TableName: name, Item: with(attributes{"r": n("1"), "e": n("2000")}), ConditionExpression: aws.String(absent), ExpressionAttributeValues: nowOnly}}},
		{"replace", table.Replace{Key: key, Revision: 3, Value: []byte("v"), Expires: expires}, types.TransactWriteItem{Put: &types.Put{
			TableName: name, Item: with(attributes{"v": b("v"), "r": n("4"), "e": n("2000")}), ConditionExpression: aws.String(atRevision), ExpressionAttributeValues: atThree}}},
		{"delete", table.Delete{Key: key, Revision: 3}, types.TransactWriteItem{Delete: &types.Delete{
			TableName: name, Key: with(nil), ConditionExpression: aws.String(atRevision), ExpressionAttributeValues: atThree}}},
		{"check", table.Check{Key: key, Revision: 3}, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: name, Key: with(nil), ConditionExpression: aws.String(atRevision), ExpressionAttributeValues: atThree}}},
		{"check absent", table.CheckAbsent{Key: key}, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: name, Key: with(nil), ConditionExpression: aws.String(absent), ExpressionAttributeValues: nowOnly}}},
		{"add", table.Add{Key: key, Deltas: map[string]int64{"zero": 0, "more": 2, "less": -3}}, types.TransactWriteItem{Update: &types.Update{
			TableName: name, Key: with(nil),
			UpdateExpression:         aws.String("ADD #0 :d0, #1 :d1, #2 :d2 REMOVE v, r, e"),
			ConditionExpression:      aws.String("(attribute_not_exists(r) OR e <= :now) AND #0 >= :b0 AND (attribute_not_exists(#1) OR #1 <= :b1)"),
			ExpressionAttributeNames: map[string]string{"#0": "+less", "#1": "+more", "#2": "+zero"},
			ExpressionAttributeValues: attributes{
				":now": n("1000"), ":d0": n("-3"), ":b0": n("3"), ":d1": n("2"), ":b1": n("9223372036854775805"), ":d2": n("0"),
			}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := build.transaction("", []table.Op{tt.op}, now)
			want := &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{tt.want}}
			if diff := cmp.Diff(want, got, equal); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestToken holds that a token is one item behind the ops, gone the second after
// its life, and that it comes back when it is there already.
func TestToken(t *testing.T) {
	ops := []table.Op{table.CheckAbsent{Key: key}}
	digest := table.Digest(ops)
	got := build.transaction("token", ops, now).TransactItems
	want := types.TransactWriteItem{Put: &types.Put{
		TableName: name,
		Item: attributes{
			"pk": text("\x01token token"), "sk": text("token"), "r": n("1"),
			"e": n("1601"), // 1000 s and 999 ns + 10 min is not yet over at 1600

			"v": b(string(digest[:])),
		},
		ConditionExpression:                 aws.String("attribute_not_exists(pk) OR e <= :now"),
		ExpressionAttributeValues:           attributes{":now": n("1000")},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
	if len(got) != 2 {
		t.Fatalf("%d items", len(got))
	}
	if diff := cmp.Diff(want, got[1], equal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGetIsConsistent(t *testing.T) {
	want := &dynamodb.GetItemInput{TableName: name, Key: with(nil), ConsistentRead: aws.Bool(true)}
	if diff := cmp.Diff(want, build.get(key), equal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestQueryCursor asks for the prefix "b" from every side of it. DynamoDB refuses a
// cursor outside of what the key condition selects.
func TestQueryCursor(t *testing.T) {
	for _, tt := range []struct {
		prefix, after string
		reverse       bool
		none          bool
		start         string // of ExclusiveStartKey
	}{
		{"", "", false, false, ""},
		{"", "b", false, false, "b"},
		{"", "b", true, false, "b"},
		{"b", "", false, false, ""},
		{"b", "a", false, false, ""},
		{"b", "a", true, true, ""},
		{"b", "b", false, false, "b"},
		{"b", "b", true, false, "b"},
		{"b", "bz", false, false, "bz"},
		{"b", "bz", true, false, "bz"},
		{"b", "c", false, true, ""},
		{"b", "c", true, false, ""},
	} {
		got := build.query(table.Query{Partition: "p", Prefix: tt.prefix, After: tt.after, Reverse: tt.reverse}, 1000)
		switch {
		case (got == nil) != tt.none:
			t.Errorf("%+v: got %v", tt, got)
		case got != nil && parseText(got.ExclusiveStartKey["sk"]) != tt.start:
			t.Errorf("%+v: starts at %v", tt, got.ExclusiveStartKey)
		}
	}
}

func TestQuery(t *testing.T) {
	want := &dynamodb.QueryInput{
		TableName: name, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(5),
		KeyConditionExpression:    aws.String("pk = :p AND begins_with(sk, :s)"),
		FilterExpression:          aws.String("attribute_not_exists(e) OR e > :now"),
		ExpressionAttributeValues: attributes{":p": text("p"), ":s": text("x"), ":now": n("1000")},
	}
	got := build.query(table.Query{Partition: "p", Prefix: "x", Limit: 5, Reverse: true}, 1000)
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for limit, want := range map[int]int32{0: 1000, 1: 1, 1000: 1000, 1001: 1000, math.MaxInt: 1000} {
		if got := *build.query(table.Query{Partition: "p", Limit: limit}, 0).Limit; got != want {
			t.Errorf("limit %d: asks for %d", limit, got)
		}
	}
}

// TestExpressionsFit holds the largest Add to DynamoDB's 4 KB an expression.
func TestExpressionsFit(t *testing.T) {
	deltas := map[string]int64{}
	for i := range table.MaxCounts {
		deltas[strings.Repeat("x", i+1)] = table.MaxDelta
	}
	in := build.add(table.Add{Key: key, Deltas: deltas}, math.MaxInt64)
	if u, c := len(*in.UpdateExpression), len(*in.ConditionExpression); u > 4<<10 || c > 4<<10 {
		t.Errorf("update expression of %d bytes, condition of %d", u, c)
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   attributes
		want table.Item
	}{
		{"record", with(attributes{"v": b("v"), "r": n("3"), "e": n("2000")}), table.Item{Key: key, Value: []byte("v"), Revision: 3, Expires: time.Unix(2000, 0).UTC()}},
		{"empty record", with(attributes{"r": n("1")}), table.Item{Key: key, Revision: 1}},
		{"counter with the names of attributes", with(attributes{"+v": n("0"), "+pk": n("9223372036854775807")}), table.Item{Key: key, Counts: map[string]int64{"v": 0, "pk": math.MaxInt64}}},
	} {
		got, err := parse(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for name, bad := range map[string]attributes{
		"value is no binary": {"v": n("1")}, "revision is no number": {"r": text("1")}, "field beyond int64": {"+n": n("9223372036854775808")},
		"fraction": {"+n": n("1.5")}, "unknown attribute": {"x": n("1")}, "expiry is no number": {"e": text("1")},
	} {
		if _, err := parse(with(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLive(t *testing.T) {
	for _, tt := range []struct {
		item attributes
		now  int64
		want bool
	}{
		{nil, 0, false},
		{with(nil), math.MaxInt64, true},
		{with(attributes{"e": n("10")}), 9, true},
		{with(attributes{"e": n("10")}), 10, false},
		{with(attributes{"e": n("10")}), 11, false},
	} {
		if got := live(tt.item, tt.now); got != tt.want {
			t.Errorf("%v at %d: %t", tt.item, tt.now, got)
		}
	}
}

func TestSchema(t *testing.T) {
	s := Schema("t")
	var keys []string
	for _, k := range s.KeySchema {
		keys = append(keys, *k.AttributeName+" "+string(k.KeyType))
	}
	if !slices.Equal(keys, []string{"pk HASH", "sk RANGE"}) || len(s.AttributeDefinitions) != 2 {
		t.Errorf("keys %v, %d attributes", keys, len(s.AttributeDefinitions))
	}
}
