package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/jsii-runtime-go"
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
	b.output("MailSettings", "SES configuration set of all mails / 全メールのSES設定セット", b.mails.Ref())
	b.output("NextStep", "What to do next / 次にすること",
		jsii.String("docs/operate.md: add the DNS records, leave the sandbox of SES, then make the first sign-in link (\"First sign-in\")"))
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
