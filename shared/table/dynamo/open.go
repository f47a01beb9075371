package dynamo

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/todoku/todoku/shared/id"
)

// Open returns New with a client of cfg's account. It calls nothing yet.
func Open(cfg aws.Config, name string, now func() time.Time, ids *id.Source) *Table {
	return New(dynamodb.NewFromConfig(cfg), name, now, ids)
}
