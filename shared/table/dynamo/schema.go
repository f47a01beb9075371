package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Names of the attributes that a stack has to know.
const (
	PartitionAttribute = "pk" // string, the partition key
	SortAttribute      = "sk" // string, the sort key
	ExpiryAttribute    = "e"  // number of seconds since 1970, the TTL attribute
)

// The other attributes: of a record its value and revision, of a counter a number
// for each field, whose name the prefix keeps apart from those above.
const (
	valueAttribute    = "v"
	revisionAttribute = "r"
	fieldPrefix       = "+"
)

// Schema is the table that New expects. A stack that makes it otherwise makes the
// same keys, and turns on TTL on ExpiryAttribute: items may be removed at any time
// after they have expired, since no call finds them any more.
func Schema(name string) *dynamodb.CreateTableInput {
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS}
	}
	return &dynamodb.CreateTableInput{
		TableName:            aws.String(name),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{attribute(PartitionAttribute), attribute(SortAttribute)},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(PartitionAttribute), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(SortAttribute), KeyType: types.KeyTypeRange},
		},
	}
}
