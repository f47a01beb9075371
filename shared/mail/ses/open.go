package ses

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
)

// Open returns New with a client of cfg's account. It calls nothing yet.
func Open(cfg aws.Config, sets Sets, now func() time.Time) *Sender {
	return New(sesv2.NewFromConfig(cfg), sets, now)
}
