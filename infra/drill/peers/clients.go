package peers

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Config is what a client of a server on this machine needs. No environment
// variable or file of the person who runs the tests has a say in it.
func Config(endpoint string) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("peer", "peer", ""),
		BaseEndpoint: aws.String(endpoint),
	}
}

// DynamoClient returns a client of the DynamoDB at endpoint.
func DynamoClient(endpoint string) *dynamodb.Client {
	return dynamodb.NewFromConfig(Config(endpoint))
}

// SQSClient returns a client of the SQS at endpoint.
func SQSClient(endpoint string) *sqs.Client { return sqs.NewFromConfig(Config(endpoint)) }

// SESClient returns a client of the SES at endpoint.
func SESClient(endpoint string) *sesv2.Client { return sesv2.NewFromConfig(Config(endpoint)) }
