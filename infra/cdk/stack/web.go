package stack

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53targets"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
)

// routed is a route that exists, with its limits.
type routed struct {
	plan.Route
	made awsapigatewayv2.HttpRoute
}

// makeAPI makes the HTTP API, without routes yet: functions want to know where
// they are seen from outside.
func (b *builder) makeAPI() {
	own := b.Settings.WebDomain != ""
	b.api = awsapigatewayv2.NewHttpApi(b.stack, jsii.String("Api"), &awsapigatewayv2.HttpApiProps{
		Description:        jsii.String("Todoku: pages and JSON API"),
		CreateDefaultStage: jsii.Bool(false),
		// With an own domain there is one way in, so that cookies and links agree.
		DisableExecuteApiEndpoint: jsii.Bool(own),
	})
	if own {
		b.baseURL = jsii.String("https://" + b.Settings.WebDomain)
		return
	}
	b.baseURL = b.api.ApiEndpoint()
}

func (b *builder) addRoutes(fn awslambda.Function, t plan.HTTP) {
	integration := awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String("Integration"), fn, nil)
	for _, r := range t.Routes {
		route := awsapigatewayv2.NewHttpRoute(fn, jsii.String("Route "+r.Key), &awsapigatewayv2.HttpRouteProps{
			HttpApi: b.api, RouteKey: routeKey(r.Key), Integration: integration,
		})
		explain(route, "AwsSolutions-APIG4",
			"The functions themselves know who asks: staff by session or token, guardians by signed link. API Gateway has no authorizer for either.")
		b.routes = append(b.routes, routed{r, route})
	}
}

func routeKey(key string) awsapigatewayv2.HttpRouteKey {
	method, path, ok := strings.Cut(key, " ")
	if !ok {
		return awsapigatewayv2.HttpRouteKey_DEFAULT()
	}
	return awsapigatewayv2.HttpRouteKey_With(jsii.String(path), awsapigatewayv2.HttpMethod(method))
}

// accessLog is what is kept of a request. Paths and queries are not in it, since
// they hold the tokens of links, nor are the addresses of clients.
var accessLog = map[string]string{
	"time":      "$context.requestTimeEpoch",
	"request":   "$context.requestId",
	"route":     "$context.routeKey",
	"status":    "$context.status",
	"bytes":     "$context.responseLength",
	"ms":        "$context.responseLatency",
	"lambda":    "$context.integrationStatus",
	"lambda_ms": "$context.integrationLatency",
}

// defaultRate and defaultBurst bound routes that have no limits of their own, of
// which there are none.
const defaultRate, defaultBurst = 50, 100

// makeStage makes the stage with the limits of all routes.
func (b *builder) makeStage() {
	log := awslogs.NewLogGroup(b.stack, jsii.String("AccessLog"), &awslogs.LogGroupProps{Retention: logLife})
	format, err := json.Marshal(accessLog)
	if err != nil {
		panic(err) // a map of strings
	}
	limits := map[string]any{}
	for _, r := range b.routes {
		limits[r.Key] = map[string]any{"ThrottlingRateLimit": r.Rate, "ThrottlingBurstLimit": r.Burst}
	}
	stage := awsapigatewayv2.NewCfnStage(b.stack, jsii.String("Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId:      b.api.ApiId(),
		StageName:  jsii.String("$default"),
		AutoDeploy: jsii.Bool(true),
		AccessLogSettings: &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: log.LogGroupArn(),
			Format:         jsii.String(string(format)),
		},
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{
			ThrottlingRateLimit:    jsii.Number(defaultRate),
			ThrottlingBurstLimit:   jsii.Number(defaultBurst),
			DetailedMetricsEnabled: jsii.Bool(true),
		},
		RouteSettings: limits,
	})
	for _, r := range b.routes { // a stage cannot limit what is not there yet
		stage.Node().AddDependency(r.made)
	}
	b.makeWebDomain(stage)
}

// makeWebDomain puts the API under a domain of the school's own.
func (b *builder) makeWebDomain(stage awsapigatewayv2.CfnStage) {
	name := b.Settings.WebDomain
	if name == "" {
		return
	}
	domain := awsapigatewayv2.NewDomainName(b.stack, jsii.String("WebDomain"), &awsapigatewayv2.DomainNameProps{
		DomainName:     jsii.String(name),
		Certificate:    b.certificate(),
		SecurityPolicy: awsapigatewayv2.SecurityPolicy_TLS_1_2,
	})
	awsapigatewayv2.NewCfnApiMapping(b.stack, jsii.String("WebMapping"), &awsapigatewayv2.CfnApiMappingProps{
		ApiId: b.api.ApiId(), DomainName: domain.Name(), Stage: stage.Ref(),
	})
	if !b.Settings.InZone(name) {
		b.record(name, "Web", &name, "CNAME", domain.RegionalDomainName())
		return
	}
	target := awsroute53.RecordTarget_FromAlias(
		awsroute53targets.NewApiGatewayv2DomainProperties(domain.RegionalDomainName(), domain.RegionalHostedZoneId()))
	awsroute53.NewARecord(b.stack, jsii.String("WebA"), &awsroute53.ARecordProps{
		Zone: b.zone, RecordName: jsii.String(name + "."), Target: target,
	})
}

func (b *builder) certificate() awscertificatemanager.ICertificate {
	if b.Settings.Certificate != "" {
		return awscertificatemanager.Certificate_FromCertificateArn(b.stack, jsii.String("Certificate"), jsii.String(b.Settings.Certificate))
	}
	return awscertificatemanager.NewCertificate(b.stack, jsii.String("Certificate"), &awscertificatemanager.CertificateProps{
		DomainName: jsii.String(b.Settings.WebDomain),
		Validation: awscertificatemanager.CertificateValidation_FromDns(b.zone),
	})
}

// arn returns the ARN of a resource of SES in the stack's account and region.
func (b *builder) arn(resource string, name *string) *string {
	return b.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("ses"), Resource: jsii.String(resource), ResourceName: name,
	})
}
