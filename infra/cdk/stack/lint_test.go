package stack_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// TestCfnLint has another program than the CDK's read the templates, against the
// resource types as they are in Tokyo.
func TestCfnLint(t *testing.T) {
	need(t, "cfn-lint", "install it, for example with pipx install cfn-lint")
	for _, which := range []string{"least", "whole"} {
		t.Run(which, func(t *testing.T) {
			file := made(t, which).file
			out, err := exec.CommandContext(t.Context(), "cfn-lint", "--regions", "ap-northeast-1", "--", file).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("cfn-lint: %v\n%s", err, out)
			}
		})
	}
}

// TestNag has cdk-nag hold the stack to the AWS Solutions rules, with everything
// that an operator can switch on. What is not followed has its reason in the code,
// see explain.
func TestNag(t *testing.T) {
	need(t, "node", "the CDK runs in it; install Node.js 20 or later")
	a, made := app(t, whole, t.TempDir())
	awscdk.Aspects_Of(a).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
	if findings := nagFindings(made); len(findings) > 0 {
		t.Errorf("%d findings:\n%s", len(findings), strings.Join(findings, "\n"))
	}
}

// TestNagFinds makes sure that a finding would be found.
func TestNagFinds(t *testing.T) {
	need(t, "node", "the CDK runs in it; install Node.js 20 or later")
	a := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	made := awscdk.NewStack(a, jsii.String("Stack"), nil)
	awssecretsmanager.NewSecret(made, jsii.String("Keys"), nil)
	awscdk.Aspects_Of(a).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
	if findings := nagFindings(made); len(findings) != 1 || !strings.Contains(findings[0], "AwsSolutions-SMG4") {
		t.Errorf("a secret without rotation and without a reason gives %q", findings)
	}
}

func nagFindings(made awscdk.Stack) []string {
	rule := assertions.Match_StringLikeRegexp(jsii.String("AwsSolutions-|CdkNagValidationFailure"))
	annotations := assertions.Annotations_FromStack(made)
	var findings []string
	for _, m := range slices.Concat(*annotations.FindError(jsii.String("*"), rule), *annotations.FindWarning(jsii.String("*"), rule)) {
		text, _ := m.Entry.Data.(string)             //nolint:staticcheck // the type moved; what the annotations return is still this one
		findings = append(findings, *m.Id+": "+text) //nolint:staticcheck // the same
	}
	return findings
}
