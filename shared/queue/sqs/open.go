package sqs

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Open returns New with a client of cfg's account. It calls nothing yet.
func Open(cfg aws.Config, url string) *Queue { return New(sqs.NewFromConfig(cfg), url) }

// OpenYard returns a Yard with such a client.
func OpenYard(cfg aws.Config) *Yard { return &Yard{sqs.NewFromConfig(cfg)} }
