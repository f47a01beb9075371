// Command sample is a Lambda program for the tests of the build.
package main

import (
	"context"
	"runtime"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context, events.SQSEvent) (string, error) {
		_, file, _, _ := runtime.Caller(0) // a path of the source, which must not be this machine's
		return file, nil
	})
}
