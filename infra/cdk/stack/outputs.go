package stack

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/jsii-runtime-go"

	"github.com/todoku/todoku/infra/cdk/plan"
)

// recordLife is for how long others may remember a record, in seconds: short
// enough to correct a mistake within a lesson.
const recordLife = "1800"

// makeOutputs says what the operator needs after a deploy: the address of the
// pages, the DNS records that the stack could not make itself, and the next step.
func (b *builder) makeOutputs() {
	for _, r := range b.records {
		if b.Settings.InZone(r.domain) {
			b.makeRecord(r)
			continue
		}
		line := jsii.String(*r.name + " " + r.kind + " " + *r.value)
		b.output("Dns"+r.id, "Add this DNS record / このDNSレコードを追加してください", line)
	}
	b.output("Web", "Address of the pages / 画面のアドレス", b.baseURL)
	b.output("TableName", "Table that is in use / 使用中のテーブル", b.table.TableName())
	b.output("KeysSecret", "Secret with the keys that sign links / リンク署名鍵のシークレット", b.keys.SecretArn())
	b.output("MailSettings", "SES configuration sets of all mails, with the seconds after which SES gives up / 全メールのSES設定セットと、SESが配信をあきらめるまでの秒数", jsii.String(strings.Join(b.setsBySeconds(), ",")))
	for _, q := range plan.Queues {
		if pair, ok := b.queues[q.Name]; ok {
			b.output(title(q.Name)+"Queue", "Queue "+q.Name, pair.live.QueueArn())
			b.output(title(q.Name)+"DeadQueue", "Dead letters of "+q.Name, pair.dead.QueueArn())
		}
	}
	b.output("NextStep", "When the DNS records are there, sign in / DNSを設定したら、サインインしてください", jsii.String(
		"todoku sign-in -table "+*b.table.TableName()+" -url "+*b.baseURL+
			" -school SCHOOL -from anzen@"+b.Settings.MailDomains[0]+" -phone "+b.Settings.Phone+
			" -manager NAME -manager-mail name@"+b.Settings.MailDomains[0]))
}

func (b *builder) makeRecord(r record) {
	value := r.value
	if r.kind == "TXT" {
		value = jsii.String(`"` + *value + `"`)
	}
	awsroute53.NewCfnRecordSet(b.stack, jsii.String("Dns"+r.id), &awsroute53.CfnRecordSetProps{
		HostedZoneId:    b.zone.HostedZoneId(),
		Name:            r.name,
		Type:            jsii.String(r.kind),
		Ttl:             jsii.String(recordLife),
		ResourceRecords: &[]*string{value},
	})
}
