package dynamo

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/todoku/todoku/shared/table"
)

// Conditions. TTL removes items late, by days, so each says for itself that an
// item which has expired is not there. A counter has no expiry and no revision.
const (
	isAbsent   = "attribute_not_exists(pk) OR e <= :now"
	isRevision = "r = :r AND (attribute_not_exists(e) OR e > :now)"
	isNoRecord = "(attribute_not_exists(r) OR e <= :now)"
	isLive     = "attribute_not_exists(e) OR e > :now"
)

// builder makes requests to one table; now is in Unix seconds.
type builder struct{ table string }

func (b builder) get(k table.Key) *dynamodb.GetItemInput {
	return &dynamodb.GetItemInput{TableName: &b.table, Key: keyOf(k), ConsistentRead: aws.Bool(true)}
}

// query returns nil if no item can match. DynamoDB takes a cursor only within the
// range that the key condition selects, so one outside of it is resolved here.
func (b builder) query(q table.Query, now int64) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName:                 &b.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :p"),
		FilterExpression:          aws.String(isLive),
		ExpressionAttributeValues: attributes{":p": text(q.Partition), ":now": number(now)},
		ScanIndexForward:          aws.Bool(!q.Reverse),
		Limit:                     aws.Int32(pageLimit(q.Limit)),
	}
	if q.Prefix != "" {
		in.KeyConditionExpression = aws.String("pk = :p AND begins_with(sk, :s)")
		in.ExpressionAttributeValues[":s"] = text(q.Prefix)
	}
	switch {
	case q.After == "":
	case strings.HasPrefix(q.After, q.Prefix):
		in.ExclusiveStartKey = keyOf(table.Key{Partition: q.Partition, Sort: q.After})
	case q.After > q.Prefix != q.Reverse:
		return nil // all that begins with the prefix lies before the cursor
	}
	return in
}

func pageLimit(n int) int32 {
	if n == 0 || n > table.MaxPage {
		return table.MaxPage
	}
	return int32(n)
}

func (b builder) create(op table.Create, now int64) *dynamodb.PutItemInput {
	return &dynamodb.PutItemInput{
		TableName:                 &b.table,
		Item:                      record(op.Key, 1, op.Value, op.Expires),
		ConditionExpression:       aws.String(isAbsent),
		ExpressionAttributeValues: attributes{":now": number(now)},
	}
}

func (b builder) replace(op table.Replace, now int64) *dynamodb.PutItemInput {
	return &dynamodb.PutItemInput{
		TableName:                 &b.table,
		Item:                      record(op.Key, op.Revision+1, op.Value, op.Expires),
		ConditionExpression:       aws.String(isRevision),
		ExpressionAttributeValues: atRevision(op.Revision, now),
	}
}

func (b builder) delete(op table.Delete, now int64) *dynamodb.DeleteItemInput {
	return &dynamodb.DeleteItemInput{
		TableName:                 &b.table,
		Key:                       keyOf(op.Key),
		ConditionExpression:       aws.String(isRevision),
		ExpressionAttributeValues: atRevision(op.Revision, now),
	}
}

func atRevision(r, now int64) attributes {
	return attributes{":r": number(r), ":now": number(now)}
}

// add adds to fields. DynamoDB cannot add in a condition, so the condition says
// what each field must be for the sum to stay within 0 and math.MaxInt64, which is
// the same while the item holds still, and it does. What is left of a record that
// has expired gives way.
func (b builder) add(op table.Add, now int64) *dynamodb.UpdateItemInput {
	conditions := []string{isNoRecord}
	var adds []string
	in := &dynamodb.UpdateItemInput{
		TableName:                 &b.table,
		Key:                       keyOf(op.Key),
		ExpressionAttributeNames:  map[string]string{},
		ExpressionAttributeValues: attributes{":now": number(now)},
	}
	for i, name := range slices.Sorted(maps.Keys(op.Deltas)) {
		delta := op.Deltas[name]
		in.ExpressionAttributeNames[fmt.Sprintf("#%d", i)] = fieldPrefix + name
		in.ExpressionAttributeValues[fmt.Sprintf(":d%d", i)] = number(delta)
		adds = append(adds, fmt.Sprintf("#%d :d%d", i, i))
		if format, bound := bounds(delta); format != "" {
			in.ExpressionAttributeValues[fmt.Sprintf(":b%d", i)] = number(bound)
			conditions = append(conditions, fmt.Sprintf(format, i))
		}
	}
	in.UpdateExpression = aws.String("ADD " + strings.Join(adds, ", ") + " REMOVE v, r, e")
	in.ConditionExpression = aws.String(strings.Join(conditions, " AND "))
	return in
}

// bounds returns the condition on a field to which delta is added. Fifty of the
// longest stay well under the 4 KB that DynamoDB allows an expression.
func bounds(delta int64) (format string, bound int64) {
	switch {
	case delta < 0:
		return "#%[1]d >= :b%[1]d", -delta
	case delta > 0:
		return "(attribute_not_exists(#%[1]d) OR #%[1]d <= :b%[1]d)", math.MaxInt64 - delta
	}
	return "", 0
}

// transaction writes ops and, behind them, the token if there is one.
func (b builder) transaction(token string, ops []table.Op, now time.Time) *dynamodb.TransactWriteItemsInput {
	in := &dynamodb.TransactWriteItemsInput{}
	for _, op := range ops {
		in.TransactItems = append(in.TransactItems, b.item(op, now.Unix()))
	}
	if token != "" {
		in.TransactItems = append(in.TransactItems, b.token(token, ops, now))
	}
	return in
}

func (b builder) item(op table.Op, now int64) types.TransactWriteItem {
	switch op := op.(type) {
	case table.Create:
		return types.TransactWriteItem{Put: asPut(b.create(op, now))}
	case table.Replace:
		return types.TransactWriteItem{Put: asPut(b.replace(op, now))}
	case table.Delete:
		in := b.delete(op, now)
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: in.TableName, Key: in.Key,
			ConditionExpression: in.ConditionExpression, ExpressionAttributeValues: in.ExpressionAttributeValues,
		}}
	case table.Add:
		in := b.add(op, now)
		return types.TransactWriteItem{Update: &types.Update{
			TableName: in.TableName, Key: in.Key, UpdateExpression: in.UpdateExpression, ConditionExpression: in.ConditionExpression,
			ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
		}}
	case table.Check:
		return b.check(op.Key, isRevision, atRevision(op.Revision, now))
	default: // table.CheckAbsent: CheckWrite has refused everything else
		return b.check(op.OpKey(), isAbsent, attributes{":now": number(now)})
	}
}

func asPut(in *dynamodb.PutItemInput) *types.Put {
	return &types.Put{
		TableName: in.TableName, Item: in.Item,
		ConditionExpression: in.ConditionExpression, ExpressionAttributeValues: in.ExpressionAttributeValues,
	}
}

func (b builder) check(k table.Key, condition string, values attributes) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &b.table, Key: keyOf(k),
		ConditionExpression: &condition, ExpressionAttributeValues: values,
	}}
}

// tokenPartition begins the partitions that hold tokens. No key that the product
// makes begins with a control character.
const tokenPartition = "\x01token "

// token creates the item that remembers a write. If it is there, what it remembers
// comes back with the refusal, for writeFault to compare.
func (b builder) token(token string, ops []table.Op, now time.Time) types.TransactWriteItem {
	digest := table.Digest(ops)
	put := asPut(b.create(table.Create{
		Key:     table.Key{Partition: tokenPartition + token, Sort: "token"},
		Value:   digest[:],
		Expires: now.Add(table.TokenLife + time.Second - 1), // the second that is not before
	}, now.Unix()))
	put.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	return types.TransactWriteItem{Put: put}
}
