// Package settings loads what every client of AWS's SDK needs, and reads secrets.
// Beside the adapters it is the only package that imports the SDK.
package settings

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// AWS is region, credentials and endpoints, as the adapters take them.
type AWS = aws.Config

// Load reads them where the SDK looks: in the environment, which is all that a
// Lambda function has, or in the profile of an operator. AWS_ENDPOINT_URL and
// AWS_ENDPOINT_URL_<SERVICE> lead to other servers than AWS's
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
// Nothing is read over the network.
func Load(ctx context.Context) (AWS, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return AWS{}, fmt.Errorf("settings: %w", err)
	}
	if cfg.Region == "" {
		return AWS{}, errors.New("settings: no region: set AWS_REGION")
	}
	return cfg, nil
}

// LogTo has the SDK's own messages, of which there are few, go to a log: their
// wording without what is filled in, since that may be data.
func LogTo(cfg *AWS, log *slog.Logger) {
	cfg.Logger = logging.LoggerFunc(func(c logging.Classification, format string, _ ...any) {
		level := slog.LevelDebug
		if c == logging.Warn {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "from the AWS SDK", "format", format)
	})
}

// Secret is a secret in AWS Secrets Manager.
type Secret struct {
	client *secretsmanager.Client
	name   string
}

// NewSecret returns the secret of a name or ARN. The role needs GetSecretValue on
// it.
func NewSecret(cfg AWS, name string) *Secret {
	return &Secret{client: secretsmanager.NewFromConfig(cfg), name: name}
}

// secretTimeout bounds a Read with the SDK's own retries: a page waits for it.
const secretTimeout = 10 * time.Second

// Read returns the current value. Errors never hold a part of it.
func (s *Secret) Read(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	out, err := s.client.GetSecretValue(ctx, request(s.name))
	if err != nil {
		return nil, fault(err)
	}
	if out.SecretString != nil {
		return []byte(*out.SecretString), nil
	}
	return out.SecretBinary, nil
}

func request(name string) *secretsmanager.GetSecretValueInput {
	return &secretsmanager.GetSecretValueInput{SecretId: &name}
}

// fault names an error of the service by its code: the words may quote what was
// asked for.
func fault(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("settings: the secret was not read: %s", api.ErrorCode())
	}
	return fmt.Errorf("settings: the secret was not read: %w", err)
}
