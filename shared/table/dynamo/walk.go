package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/todoku/todoku/shared/table"
)

// Walk implements table.Walker. Who calls it needs the right to Scan, which no
// function has.
func (t *Table) Walk(ctx context.Context, f func(table.Item) error) error {
	in := t.build.scan()
	for {
		out, err := t.client.Scan(ctx, in, t.repeatable)
		if err != nil {
			return fault(ctx, err)
		}
		if err := t.walk(out.Items, f); err != nil {
			return err
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// walk calls f for each item that is not a token and has not expired.
func (t *Table) walk(items []attributes, f func(table.Item) error) error {
	now := t.now().Unix()
	for _, a := range items {
		if strings.HasPrefix(parseText(a[PartitionAttribute]), tokenPartition) || !live(a, now) {
			continue
		}
		it, err := parse(a)
		if err != nil {
			return err
		}
		if err := f(it); err != nil {
			return err
		}
	}
	return nil
}

func (b builder) scan() *dynamodb.ScanInput {
	return &dynamodb.ScanInput{TableName: &b.table, ConsistentRead: aws.Bool(true)}
}
