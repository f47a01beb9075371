package ses

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/lang"
)

// Doctor looks at the account that sends.
type Doctor struct {
	client *sesv2.Client
	sets   Sets
	// Recipients returns how many addresses an alert to everybody has; 0: not known.
	Recipients func(context.Context) (int, error)
	// Known reports whether an address is that of somebody's who gets alerts.
	Known func(ctx context.Context, address string) (bool, error)
}

// OpenDoctor returns a Doctor of cfg's account. It calls nothing yet.
//
// The role needs ses:GetAccount and ses:ListSuppressedDestinations, and of the
// identities and the configuration sets ses:GetEmailIdentity, ses:GetConfigurationSet
// and ses:GetConfigurationSetEventDestinations.
func OpenDoctor(cfg aws.Config, sets Sets) *Doctor {
	return NewDoctor(sesv2.NewFromConfig(cfg), sets)
}

// NewDoctor returns a Doctor with a client.
func NewDoctor(client *sesv2.Client, sets Sets) *Doctor {
	return &Doctor{client: client, sets: sets}
}

const docs = "https://docs.aws.amazon.com/ses/latest/dg/"

// included is whose SPF record a MAIL FROM domain includes.
const included = "amazonses.com"

// Mail says how mail of a From domain leaves.
func (d *Doctor) Mail(ctx context.Context, domain string) (doctor.Mail, []doctor.Finding) {
	m := doctor.Mail{From: domain, Includes: []string{included}}
	out, err := d.client.GetEmailIdentity(ctx, &sesv2.GetEmailIdentityInput{EmailIdentity: &domain})
	if err != nil {
		return m, []doctor.Finding{unasked("ses-identity", domain, fault(ctx, err, false))}
	}
	if a := out.DkimAttributes; a != nil {
		m.Selectors = a.Tokens
		if a.Status != types.DkimStatusSuccess {
			for _, token := range a.Tokens {
				m.Pending = append(m.Pending, fmt.Sprintf("%s._domainkey.%s CNAME %s.dkim.amazonses.com", token, domain, token))
			}
		}
	}
	var findings []doctor.Finding
	if a := out.MailFromAttributes; a != nil && aws.ToString(a.MailFromDomain) != "" {
		m.Envelope = *a.MailFromDomain
		if a.MailFromDomainStatus != types.MailFromDomainStatusSuccess {
			findings = append(findings, d.mailFrom(m))
		}
	} else {
		m.Envelope = included // which its own record takes care of
	}
	if !out.VerifiedForSendingStatus {
		findings = append(findings, unverified(domain))
	}
	return m, findings
}

func (d *Doctor) mailFrom(m doctor.Mail) doctor.Finding {
	return doctor.Finding{
		Check: "ses", ID: "ses-mail-from", Level: doctor.Warn, About: m.Envelope, Link: docs + "mail-from.html",
		What:   lang.T("SESは、%s のMXレコードをまだ確かめていません。", "SES has not seen the MX record of %s yet.", m.Envelope),
		Why:    lang.T("それまでエラーの戻り先がamazonses.comになり、DMARCはDKIMだけで通ります。DKIMが壊れると、携帯各社が拒否します。", "Until then bounces go to amazonses.com and only DKIM satisfies DMARC: when it breaks, carriers refuse."),
		Fix:    lang.T("次のレコードがDNSにあるか確かめ、なければ追加してください。", "See that this record is in DNS, and add it if not."),
		Record: m.Envelope + " MX 10 feedback-smtp." + d.client.Options().Region + ".amazonses.com.",
	}
}

func unverified(domain string) doctor.Finding {
	return doctor.Finding{
		Check: "ses", ID: "ses-unverified", Level: doctor.Fail, About: domain, Link: docs + "creating-identities.html",
		What: lang.T("SESは、%s からの送信をまだ認めていません。", "SES does not let %s send yet.", domain),
		Why:  lang.T("1通も送れません。", "No mail leaves."),
		Fix:  lang.T("DKIMのレコードをDNSに追加し、最大72時間待ってください。", "Add the DKIM records to DNS, and wait for up to 72 hours."),
	}
}

// unasked is the finding that SES did not say.
func unasked(id, about string, err error) doctor.Finding {
	return doctor.Finding{
		Check: "ses", ID: id + "-unknown", Level: doctor.Unknown, About: about, Link: docs + "monitor-sending-activity.html",
		What: lang.T("SESから答えがありません: %v", "SES does not say: %v", err),
		Why:  lang.T("この点が正しいかどうか、分かりません。", "Whether this is in order is not known."),
		Fix:  lang.T("続くときは、AWSの障害情報と、この関数の権限を確かめてください。", "If it stays so, look at the AWS Health dashboard and at what this function may do."),
	}
}

// Account looks at what the account may send, and at what becomes known of it.
func (d *Doctor) Account(ctx context.Context) (findings []doctor.Finding, facts []doctor.Fact) {
	out, err := d.client.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil {
		return []doctor.Finding{unasked("ses-account", "", fault(ctx, err, false))}, nil
	}
	findings = state(out)
	if d.Recipients == nil || out.SendQuota == nil {
		return findings, nil
	}
	n, err := d.Recipients(ctx)
	if err != nil || n == 0 {
		return findings, nil // not counted yet: the roster is read once a day
	}
	short, fact := quota(*out.SendQuota, n)
	return append(findings, short...), append(facts, fact...)
}

// state judges what SES says of the account as a whole.
func state(out *sesv2.GetAccountOutput) (findings []doctor.Finding) {
	f := doctor.Finding{Check: "ses", Level: doctor.Fail, Why: lang.T("保護者には1通も届きません。", "Guardians get nothing.")}
	if !out.ProductionAccessEnabled {
		s := f
		s.ID, s.Link = "ses-sandbox", docs+"request-production-access.html"
		s.What = lang.T("SESがサンドボックスのままです。1日200通、確認済みの宛先にだけ送れます。", "SES is in the sandbox: 200 mails a day, to verified addresses only.")
		s.Fix = lang.T("本番利用を申請してください（docs/operate.md の Sandbox exit）。数日かかることがあります。", "Ask for production access (Sandbox exit in docs/operate.md). It can take days.")
		findings = append(findings, s)
	}
	if !out.SendingEnabled {
		s := f
		s.ID, s.Link = "ses-paused", docs+"faqs-enforcement.html"
		s.What = lang.T("SESが、このアカウントの送信を止めています。", "SES has paused sending for this account.")
		s.Fix = lang.T("AWSサポートセンターの通知を読み、原因（多くはエラーか苦情の率）を直して返信してください。", "Read the case in AWS Support, mend the cause (mostly bounces or complaints), and answer it.")
		findings = append(findings, s)
	}
	if e := aws.ToString(out.EnforcementStatus); e == "PROBATION" {
		s := f
		s.ID, s.Level, s.Link = "ses-probation", doctor.Warn, docs+"faqs-enforcement.html"
		s.What = lang.T("AWSが、このアカウントの送信を審査しています（PROBATION）。", "AWS is reviewing this account's sending (PROBATION).")
		s.Why = lang.T("直さないと送信が止められ、保護者に届かなくなります。", "If nothing is mended sending is paused, and guardians get nothing.")
		s.Fix = lang.T("AWSサポートセンターの通知に答え、名簿の古いアドレスを直してください。", "Answer the case in AWS Support, and correct stale addresses in the roster.")
		findings = append(findings, s)
	}
	return findings
}

const (
	// soon is how long the whole school may take.
	soon = 30 * time.Minute
	// alerts are how many to everybody must fit into a day: one, its reminder, and a
	// second one.
	alerts = 3
)

// quota holds the quota against an alert to n addresses.
func quota(q types.SendQuota, n int) (findings []doctor.Finding, facts []doctor.Fact) {
	const link = docs + "manage-sending-quotas.html"
	if q.MaxSendRate > 0 {
		takes := time.Duration(float64(n) / q.MaxSendRate * float64(time.Second)).Round(time.Second)
		facts = append(facts, doctor.Fact{Check: "ses", Text: lang.T("全員（%d件）への連絡は、毎秒%.0f通で %v かかります。", "An alert to everybody (%d addresses) takes %[3]v at %.0[2]f a second.", n, q.MaxSendRate, takes)})
		if takes > soon {
			findings = append(findings, doctor.Finding{
				Check: "ses", ID: "ses-slow", Level: doctor.Warn, Link: link,
				What: lang.T("全員（%d件）への連絡に %v かかります。", "An alert to everybody (%d addresses) takes %v.", n, takes),
				Why:  lang.T("最後の保護者は、それだけ遅れて知らされます。", "The last guardian is told that late."),
				Fix:  lang.T("SESの送信レートを、毎秒 %.0f 通に上げるよう申請してください（Service Quotas）。", "Ask for a sending rate of %.0f a second (Service Quotas).", float64(n)/soon.Seconds()+1),
			})
		}
	}
	if q.Max24HourSend >= 0 && q.Max24HourSend < alerts*float64(n) {
		f := doctor.Finding{
			Check: "ses", ID: "ses-quota", Level: doctor.Warn, Link: link,
			What: lang.T("1日に送れるのは %.0f 通で、全員（%d件）への連絡が3回分に足りません。", "%.0f mails may be sent a day: not enough for three alerts to everybody (%d addresses).", q.Max24HourSend, n),
			Why:  lang.T("続報を出す日に、後半の保護者には届きません。", "On a day with a second alert the last guardians are not told."),
			Fix:  lang.T("SESの1日の上限を %d 通に上げるよう申請してください（Service Quotas）。", "Ask for a daily quota of %d (Service Quotas).", alerts*n),
		}
		if q.Max24HourSend < float64(n) {
			f.Level = doctor.Fail
			f.Why = lang.T("全員への連絡が1回も送り切れません。", "Not even one alert to everybody can be sent.")
		}
		findings = append(findings, f)
	}
	return findings, facts
}

// told are the events without which the status page does not know what became of a
// mail.
var told = []types.EventType{
	types.EventTypeBounce, types.EventTypeComplaint, types.EventTypeDelivery, types.EventTypeDeliveryDelay, types.EventTypeReject, types.EventTypeRenderingFailure,
}

// Set looks at the configuration sets: whether events are told, whom they silence, and
// when they have SES give up.
func (d *Doctor) Set(ctx context.Context) (findings []doctor.Finding, _ []doctor.Fact) {
	for _, name := range slices.Sorted(maps.Keys(d.sets)) {
		findings = append(findings, d.set(ctx, name)...)
	}
	return findings, nil
}

func (d *Doctor) set(ctx context.Context, name string) (findings []doctor.Finding) {
	set, err := d.client.GetConfigurationSet(ctx, &sesv2.GetConfigurationSetInput{ConfigurationSetName: &name})
	if err != nil {
		return []doctor.Finding{unasked("ses-set", name, fault(ctx, err, false))}
	}
	if o := set.DeliveryOptions; o == nil || aws.ToInt64(o.MaxDeliverySeconds) != int64(d.sets[name]/time.Second) {
		findings = append(findings, doctor.Finding{
			Check: "ses", ID: "ses-gives-up", Level: doctor.Warn, About: name, Link: "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_DeliveryOptions.html",
			What: lang.T("SESが配信をあきらめるまでの時間が、%v になっていません。", "SES does not give mails up after %v.", d.sets[name]),
			Why:  lang.T("期限が過ぎた緊急連絡が、あとから届くことがあります。", "An alert can arrive after it has ceased to be useful."),
			Fix:  lang.T("もう一度 cdk deploy してください。設定セットの配信の時間が変えられています。", "Run cdk deploy again: somebody has changed the configuration set's delivery options."),
		})
	}
	if s := set.SuppressionOptions; s == nil || slices.Contains(s.SuppressedReasons, types.SuppressionListReasonBounce) {
		findings = append(findings, doctor.Finding{
			Check: "ses", ID: "ses-silences", Level: doctor.Warn, About: name, Link: docs + "sending-email-suppression-list-config-level.html",
			What: lang.T("SESは、一度エラーになった宛先に二度と送らない設定です。", "SES never again sends to an address that bounced once."),
			Why:  lang.T("携帯各社は、実在する人にも「Unknown user」と答えます。その保護者には、以後何も届きません。", "Carriers answer “unknown user” for people who exist. Those guardians get nothing for good."),
			Fix:  lang.T("もう一度 cdk deploy してください。設定セットの抑制の理由は COMPLAINT だけです。", "Run cdk deploy again: the configuration set's only reason is COMPLAINT."),
		})
	}
	out, err := d.client.GetConfigurationSetEventDestinations(ctx, &sesv2.GetConfigurationSetEventDestinationsInput{ConfigurationSetName: &name})
	if err != nil {
		return append(findings, unasked("ses-events", name, fault(ctx, err, false)))
	}
	for _, e := range out.EventDestinations {
		if e.Enabled && e.SnsDestination != nil && !slices.ContainsFunc(told, func(t types.EventType) bool { return !slices.Contains(e.MatchingEventTypes, t) }) {
			return findings
		}
	}
	return append(findings, doctor.Finding{
		Check: "ses", ID: "ses-events", Level: doctor.Fail, About: name, Link: docs + "event-destinations-manage.html",
		What: lang.T("SESが、メールの行方を知らせていません。", "SES does not tell what becomes of mails."),
		Why:  lang.T("届かなかった保護者が「送信済み」のままに見え、電話されません。", "Guardians whose mail was refused look as if it had gone, and nobody phones them."),
		Fix:  lang.T("もう一度 cdk deploy してください。設定セットのイベントの送信先が消されています。", "Run cdk deploy again: somebody has changed the configuration set's event destination."),
	})
}

const (
	// listPage is how many suppressed addresses are looked at, the newest first as SES
	// lists them, and lookups how many of them are held against the roster.
	listPage = 500
	mostHits = 50
)

// Suppressed looks for guardians to whom SES does not send.
func (d *Doctor) Suppressed(ctx context.Context) ([]doctor.Finding, []doctor.Fact) {
	out, err := d.client.ListSuppressedDestinations(ctx, &sesv2.ListSuppressedDestinationsInput{
		Reasons: []types.SuppressionListReason{types.SuppressionListReasonComplaint}, PageSize: aws.Int32(listPage),
	})
	if err != nil {
		return []doctor.Finding{unasked("ses-suppressed", "", fault(ctx, err, false))}, nil
	}
	hits := 0
	for _, s := range out.SuppressedDestinationSummaries {
		known, err := d.Known(ctx, aws.ToString(s.EmailAddress))
		if err != nil {
			return []doctor.Finding{unasked("ses-suppressed", "", err)}, nil
		}
		if known {
			hits++
		}
		if hits >= mostHits {
			break
		}
	}
	if hits == 0 {
		return nil, []doctor.Fact{{Check: "ses", Text: lang.T("SESの抑制リストに、名簿の宛先はありません。", "Nobody of the roster is on SES's suppression list.")}}
	}
	return []doctor.Finding{{
		Check: "ses", ID: "ses-suppressed", Level: doctor.Warn, Link: docs + "sending-email-suppression-list.html",
		What: lang.T("名簿の %d 件の宛先が、SESの抑制リストに載っています（「迷惑メール」と報告されたもの）。", "%d addresses of the roster are on SES's suppression list: somebody reported the mail as spam.", hits),
		Why:  lang.T("この保護者には、緊急の連絡も届きません。", "These guardians get no alert, however urgent."),
		Fix: lang.T("状況のページで「拒否」になっている保護者に電話で確かめ、望まれれば aws sesv2 delete-suppressed-destination --email-address … で外してください。",
			"Phone the guardians who are “refused” on the status page; if they want mail again, take them off: aws sesv2 delete-suppressed-destination --email-address ...."),
	}}, nil
}
