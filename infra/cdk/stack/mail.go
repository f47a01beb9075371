package stack

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsses"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/cdk/settings"
)

// makeMail makes the configuration sets that mails are sent with, and the identity of
// each mail domain.
func (b *builder) makeMail() {
	for i, seconds := range b.Settings.Deliveries() {
		b.mails = append(b.mails, mailSet{b.makeSet("ConfigurationSet"+nth(i), seconds), seconds})
	}
	for _, domain := range b.Settings.MailDomains {
		b.makeIdentity(domain)
	}
}

// nth tells ids of several like things apart; the first keeps the name that it had alone.
func nth(i int) string {
	if i == 0 {
		return ""
	}
	return strconv.Itoa(i + 1)
}

func (b *builder) makeSet(id string, seconds int) awsses.CfnConfigurationSet {
	return awsses.NewCfnConfigurationSet(b.stack, jsii.String(id), &awsses.CfnConfigurationSetProps{
		DeliveryOptions: &awsses.CfnConfigurationSet_DeliveryOptionsProperty{
			MaxDeliverySeconds: jsii.Number(seconds),
			// Encrypted wherever the receiver can. To require it would keep an alert
			// from whoever's operator cannot.
			TlsPolicy: jsii.String("OPTIONAL"),
		},
		ReputationOptions: &awsses.CfnConfigurationSet_ReputationOptionsProperty{ReputationMetricsEnabled: jsii.Bool(true)},
		SendingOptions:    &awsses.CfnConfigurationSet_SendingOptionsProperty{SendingEnabled: jsii.Bool(true)},
		// Carriers answer "unknown user" for people who exist. With BOUNCE here, one
		// such answer would silence a guardian for good.
		SuppressionOptions: &awsses.CfnConfigurationSet_SuppressionOptionsProperty{SuppressedReasons: jsii.Strings("COMPLAINT")},
	})
}

// camel returns a domain as a part of a logical id: school.example.jp is
// SchoolExampleJp.
func camel(domain string) string {
	var s strings.Builder
	for _, part := range strings.FieldsFunc(domain, func(r rune) bool { return r == '.' || r == '-' }) {
		s.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return s.String()
}

// makeIdentity proves to SES, and through DKIM, SPF and DMARC to the carriers,
// that mail from the domain is the domain's own.
func (b *builder) makeIdentity(domain string) {
	id := awsses.NewCfnEmailIdentity(b.stack, jsii.String("Identity"+camel(domain)), &awsses.CfnEmailIdentityProps{
		EmailIdentity:  jsii.String(domain),
		DkimAttributes: &awsses.CfnEmailIdentity_DkimAttributesProperty{SigningEnabled: jsii.Bool(true)},
		DkimSigningAttributes: &awsses.CfnEmailIdentity_DkimSigningAttributesProperty{
			NextSigningKeyLength: jsii.String("RSA_2048_BIT"),
		},
		MailFromAttributes: &awsses.CfnEmailIdentity_MailFromAttributesProperty{
			MailFromDomain: jsii.String(settings.MailFrom(domain)),
			// If its MX record is lost, mail goes out from amazonses.com, and DKIM alone
			// satisfies DMARC.
			BehaviorOnMxFailure: jsii.String("USE_DEFAULT_VALUE"),
		},
		// Bounces come as events; nobody at the school needs them as mail.
		FeedbackAttributes: &awsses.CfnEmailIdentity_FeedbackAttributesProperty{EmailForwardingEnabled: jsii.Bool(false)},
	})
	b.addMailRecords(domain, id)
}

func (b *builder) addMailRecords(domain string, id awsses.CfnEmailIdentity) {
	from := settings.MailFrom(domain)
	b.record(domain, "Dkim1", id.AttrDkimDnsTokenName1(), "CNAME", id.AttrDkimDnsTokenValue1())
	b.record(domain, "Dkim2", id.AttrDkimDnsTokenName2(), "CNAME", id.AttrDkimDnsTokenValue2())
	b.record(domain, "Dkim3", id.AttrDkimDnsTokenName3(), "CNAME", id.AttrDkimDnsTokenValue3())
	b.record(domain, "MailFromMx", &from, "MX", jsii.String("10 feedback-smtp."+*b.stack.Region()+".amazonses.com"))
	b.record(domain, "MailFromSpf", &from, "TXT", jsii.String("v=spf1 include:amazonses.com -all"))
	if b.Settings.DMARC != settings.KeepDMARC {
		b.record(domain, "Dmarc", jsii.String("_dmarc."+domain), "TXT", &b.Settings.DMARC)
	}
}

// setResources returns the configuration sets, and identities those of the From domains:
// together they are what SES checks when a mail is sent.
func (b *builder) setResources() (resources []*string) {
	for _, set := range b.mails {
		resources = append(resources, b.arn("configuration-set", set.Ref()))
	}
	return resources
}

func (b *builder) identities() (resources []*string) {
	for _, domain := range b.Settings.MailDomains {
		resources = append(resources, b.arn("identity", jsii.String(domain)))
	}
	return resources
}

// eventTypes are what SES tells of a mail. Left out are opening and clicking, which
// it would have to rewrite the mail for, and sending: what SES has taken is known
// from its reply, and one of the others follows.
var eventTypes = []string{"reject", "bounce", "complaint", "delivery", "deliveryDelay", "renderingFailure"}

// makeFeedback leads the events of all mails into the queue of the feedback
// function. SES takes standard topics only.
func (b *builder) makeFeedback() {
	topic := b.topic("MailEvents", plan.Events, b.setResources()...)
	for i, set := range b.mails {
		destination := awsses.NewCfnConfigurationSetEventDestination(b.stack, jsii.String("MailEventsDestination"+nth(i)), &awsses.CfnConfigurationSetEventDestinationProps{
			ConfigurationSetName: set.Ref(),
			EventDestination: &awsses.CfnConfigurationSetEventDestination_EventDestinationProperty{
				Enabled:            jsii.Bool(true),
				MatchingEventTypes: jsii.Strings(eventTypes...),
				SnsDestination:     &awsses.CfnConfigurationSetEventDestination_SnsDestinationProperty{TopicArn: topic.TopicArn()},
			},
		})
		destination.Node().AddDependency(policy(topic)) // SES tries it at once
	}
}

// topic makes a topic that SES publishes to from sources, and a queue reads. It has no key:
// SES may not use AWS's own, and one of ours could be lost (docs/security.md).
func (b *builder) topic(id, queue string, sources ...*string) awssns.Topic {
	topic := awssns.NewTopic(b.stack, jsii.String(id), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	topic.AddToResourcePolicy(publish("ses.amazonaws.com", topic, map[string]any{
		"StringEquals": map[string]any{"aws:SourceAccount": b.stack.Account()},
		"ArnEquals":    map[string]any{"aws:SourceArn": sources},
	}))
	// What SNS cannot hand to the queue goes to the queue's dead letters.
	topic.AddSubscription(awssnssubscriptions.NewSqsSubscription(b.queues[queue].live, &awssnssubscriptions.SqsSubscriptionProps{
		DeadLetterQueue: b.queues[queue].dead,
	}))
	return topic
}

// policy returns what the CDK made of the topic's resource policy.
func policy(topic awssns.Topic) constructs.IConstruct {
	return topic.Node().FindChild(jsii.String("Policy"))
}

func publish(service string, topic awssns.Topic, conditions map[string]any) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String(service), nil)},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: &conditions,
	})
}

// makeInbound receives the mail of a domain, if the operator wants that. The rule
// set takes effect when the operator makes it the account's active one, of which
// there can be only one (docs/operate.md).
func (b *builder) makeInbound() {
	domain := b.Settings.InboundDomain
	if domain == "" {
		return
	}
	if !b.coveredByMail(domain) {
		b.makeIdentity(domain)
	}
	b.record(domain, "InboundMx", &domain, "MX", jsii.String("10 inbound-smtp."+*b.stack.Region()+".amazonaws.com"))
	set := awsses.NewCfnReceiptRuleSet(b.stack, jsii.String("InboundRules"), nil)
	topic := b.topic("InboundMails", plan.Mails, jsii.String(*b.arn("receipt-rule-set", set.Ref())+":receipt-rule/"+inboundRule))
	rule := awsses.NewCfnReceiptRule(b.stack, jsii.String("InboundRule"), &awsses.CfnReceiptRuleProps{
		RuleSetName: set.Ref(),
		Rule: &awsses.CfnReceiptRule_RuleProperty{
			Name:        jsii.String(inboundRule),
			Enabled:     jsii.Bool(true),
			ScanEnabled: jsii.Bool(true),
			Recipients:  jsii.Strings(domain),
			Actions: []any{&awsses.CfnReceiptRule_ActionProperty{
				SnsAction: &awsses.CfnReceiptRule_SNSActionProperty{TopicArn: topic.TopicArn(), Encoding: jsii.String("Base64")},
			}},
		},
	})
	rule.Node().AddDependency(policy(topic))
	b.output("InboundRuleSet", "Make this the active receipt rule set / 受信ルールセットとして有効にしてください", set.Ref())
}

// inboundRule is the name of the rule; it is part of the ARN that SES publishes as.
const inboundRule = "todoku"

// coveredByMail reports whether a domain belongs to one that is proven already:
// SES counts subdomains in.
func (b *builder) coveredByMail(domain string) bool {
	return slices.ContainsFunc(b.Settings.MailDomains, func(d string) bool { return strings.HasSuffix(domain, "."+d) })
}

// record is a DNS record that must be there.
type record struct {
	domain string // for which it is
	id     string
	name   *string
	kind   string // CNAME, MX or TXT
	value  *string
}

func (b *builder) record(domain, id string, name *string, kind string, value *string) {
	b.records = append(b.records, record{domain: domain, id: camel(domain) + id, name: name, kind: kind, value: value})
}

// output adds an output of the stack, which the operator sees after a deploy.
func (b *builder) output(id, description string, value *string) {
	awscdk.NewCfnOutput(b.stack, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(description), Value: value})
}
