package dynamo_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/dynamo"
	"github.com/todoku/todoku/shared/table/tabletest"
)

// TestConformance gives each test of the suite a table of its own.
func TestConformance(t *testing.T) {
	client := peers.DynamoClient(peers.Dynoxide(t))
	tables := 0
	tabletest.Run(t, func(t *testing.T, now func() time.Time) table.Table {
		tables++
		return open(t, client, fmt.Sprintf("table-%d", tables), now)
	})
}

func open(t testing.TB, client *dynamodb.Client, name string, now func() time.Time) *dynamo.Table {
	t.Helper()
	_, err := client.CreateTable(t.Context(), dynamo.Schema(name))
	if err != nil {
		t.Fatal(err)
	}
	err = dynamodb.NewTableExistsWaiter(client).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return dynamo.New(client, name, now, id.NewSource(now, rand.Reader))
}
