// Package settings reads what the operator says in the CDK's context: with
// `cdk deploy -c key=value`, or, to keep it, in cdk.context.json beside cdk.json:
//
//	{"name": "見本市教育委員会", "phone": "03-0000-0000", "mailDomains": ["school.example.jp"]}
//
// Everything is checked before anything is made. Each problem names its key and
// says what to put there, and all are told at once.
package settings

import (
	"cmp"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/proof"
)

// Settings is what the operator can choose.
type Settings struct {
	Stack       string   // name of the CloudFormation stack; "stack"
	Name        string   // who answers for the system: a school, or a district; "name"
	Phone       string   // whom people call when nothing else works; "phone"
	MailDomains []string // domains of the schools' own From addresses; "mailDomains"

	Zone   string // Route 53 hosted zone to make DNS records in, "" for none; "hostedZone"
	ZoneID string // its id; "hostedZoneId"
	DMARC  string // the DMARC record of the mail domains, "keep" to leave it alone; "dmarc"

	WebDomain   string // domain of the pages, "" for that of API Gateway; "webDomain"
	Certificate string // ARN of its certificate, if it is not in Zone; "certificateArn"

	InboundDomain string // domain whose mail is received, "" for none; "inboundDomain"

	OpenIDIssuer string // OpenID provider with which staff can sign in as well, "" for none; "openidIssuer"
	OpenIDClient string // id that it gave this site; "openidClient"
	OpenIDSecret string // ARN of a secret in Secrets Manager with the client's secret; "openidSecretArn"

	AlarmMail  string // mail address for alarms, "" for none; "alarmMail"
	Proof      int    // minutes between proofs that an alert is answered, 0 for none; "proofMinutes"
	KeepAlerts int    // days for which alerts are kept, see package keep; "keepAlertDays"
	DeadMan    string // https address to call after each, "" for none; "deadMan"
	// Mailboxes are those at mail operators that answer proofs, one at each; "proofMailboxes"
	Mailboxes   []proof.Mailbox
	SendQuota   int    // mails in 24 hours that SES allows the account; "sendQuota"
	MaxDelivery int    // seconds after which SES gives a mail up at the latest; "maxDeliverySeconds"
	Lanes       string // the operator's lanes file, its text, "" for the shipped one; "lanes"
	Table       string // name of a restored table to use, "" for the stack's own; "table"
}

// Keys are the keys of the context.
var Keys = []string{
	"stack", "name", "phone", "mailDomains", "hostedZone", "hostedZoneId", "dmarc", "webDomain", "certificateArn",
	"inboundDomain", "openidIssuer", "openidClient", "openidSecretArn", "alarmMail", "proofMinutes", "proofMailboxes", "deadMan", "keepAlertDays", "sendQuota", "maxDeliverySeconds", "lanes", "table",
}

// KeepDMARC is the value of DMARC with which no record is made or asked for.
const KeepDMARC = "keep"

// The defaults.
const (
	defaultStack = "Todoku"
	// defaultDMARC is what the carriers look for and what changes nothing for the
	// domain's other mail (RFC 7489, section 6.3).
	defaultDMARC = "v=DMARC1; p=none"
	// defaultQuota is what accounts usually get when they leave the sandbox
	// (https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html).
	defaultQuota = 50000
	// defaultProof is an hour, and maxProof half a day: an alarm that something is
	// missing can look back for a day.
	defaultProof, maxProof = 60, 720
	// defaultDelivery is an hour: greylisting and a short deferral pass within it,
	// and what is older than that a guardian should hear of in another way.
	defaultDelivery = 3600
	// The bounds of SES for MaxDeliverySeconds.
	minDelivery, maxDelivery = 300, 50400
)

// Deliveries returns after how many seconds SES gives a mail up, longest first: each is
// half of the one before, so that a mail which stops being useful earlier than the longest
// is tried for at least half of its time. SES allows no less than the last.
func (s Settings) Deliveries() []int {
	var all []int
	for n := s.MaxDelivery; n > minDelivery; n /= 2 {
		all = append(all, n)
	}
	return append(all, minDelivery)
}

// MailFrom is the custom MAIL FROM domain of a mail domain: where SPF is looked up
// and bounces go.
func MailFrom(domain string) string { return "bounce." + domain }

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// InZone reports whether DNS records of the domain can be made.
func (s Settings) InZone(domain string) bool {
	return s.Zone != "" && (domain == s.Zone || strings.HasSuffix(domain, "."+s.Zone))
}

// Source is where settings come from.
type Source struct {
	// Context returns the value of a key, nil if there is none: a string, or what
	// JSON makes of cdk.context.json.
	Context func(key string) any
	// ReadFile reads the file that "lanes" names.
	ReadFile func(name string) ([]byte, error)
}

// Read returns the settings. Its error is a problem.List.
func Read(src Source) (Settings, error) {
	r := &reader{Source: src}
	s := Settings{
		Stack:         r.text("stack", defaultStack),
		Name:          r.required("name", "学校または教育委員会の名前", "the name of the school or district", "見本小学校"),
		Phone:         r.required("phone", "困ったときに保護者がかける電話番号", "the phone number to call when nothing else works", "03-0000-0000"),
		MailDomains:   r.list("mailDomains"),
		Zone:          r.domain("hostedZone"),
		ZoneID:        r.text("hostedZoneId", ""),
		DMARC:         r.text("dmarc", defaultDMARC),
		WebDomain:     r.domain("webDomain"),
		Certificate:   r.text("certificateArn", ""),
		InboundDomain: r.domain("inboundDomain"),
		OpenIDIssuer:  r.text("openidIssuer", ""),
		OpenIDClient:  r.text("openidClient", ""),
		OpenIDSecret:  r.text("openidSecretArn", ""),
		AlarmMail:     r.text("alarmMail", ""),
		Proof:         r.number("proofMinutes", defaultProof, 0, maxProof),
		DeadMan:       r.text("deadMan", ""),
		KeepAlerts:    r.number("keepAlertDays", days(keep.Alerts), days(keep.LeastAlerts), days(keep.MostAlerts)),
		SendQuota:     r.number("sendQuota", defaultQuota, 1, 1e9),
		MaxDelivery:   r.number("maxDeliverySeconds", defaultDelivery, minDelivery, maxDelivery),
		Lanes:         r.lanes(),
		Table:         r.text("table", ""),
	}
	s.Mailboxes = r.mailboxes(s)
	r.check(s)
	if len(r.wrong) > 0 {
		return s, r.wrong
	}
	return s, nil
}

// reader reads values and collects what is wrong with them.
type reader struct {
	Source
	wrong problem.List
}

func (r *reader) fail(key, ja, en string, args ...any) {
	p := problem.New(problem.Invalid, "設定「"+key+"」: "+ja, "Setting "+key+": "+en, args...)
	r.wrong = append(r.wrong, p.In(key))
}

// text returns the value of a key, without blanks around it.
func (r *reader) text(key, otherwise string) string {
	var s string
	switch v := r.Context(key).(type) {
	case nil:
	case string:
		s = strings.TrimSpace(v)
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		r.fail(key, "文字で書いてください。", "write it as text.")
	}
	return cmp.Or(s, otherwise)
}

func (r *reader) required(key, ja, en, example string) string {
	s := r.text(key, "")
	if s == "" {
		r.fail(key, "%[1]sを指定してください。例: -c %[3]s=%[4]s", "give %[2]s, for example -c %[3]s=%[4]s", ja, en, key, example)
	}
	return s
}

// list returns the values of a key, of which there must be one: from a list, or
// from a text with commas.
func (r *reader) list(key string) []string {
	var parts []string
	switch v := r.Context(key).(type) {
	case nil:
	case []any:
		for _, e := range v {
			parts = append(parts, fmt.Sprint(e))
		}
	default:
		parts = strings.Split(r.text(key, ""), ",")
	}
	var domains []string
	for _, p := range parts {
		if p = tidy(p); p != "" && r.isDomain(key, p) && !slices.Contains(domains, p) {
			domains = append(domains, p)
		}
	}
	if len(domains) == 0 && !r.failed(key) {
		r.fail(key, "学校のメールアドレスのドメインを指定してください。複数ならコンマで区切ります。例: -c %[1]s=school.example.jp",
			"give the domain of the schools' mail addresses, several with commas, for example -c %[1]s=school.example.jp", key)
	}
	return domains
}

func (r *reader) failed(key string) bool {
	return slices.ContainsFunc(r.wrong, func(p *problem.Error) bool { return p.Field == key })
}

func tidy(domain string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(domain)), ".")
}

// domain returns an optional domain.
func (r *reader) domain(key string) string {
	s := tidy(r.text(key, ""))
	if s != "" {
		r.isDomain(key, s)
	}
	return s
}

var domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$`)

func (r *reader) isDomain(key, s string) bool {
	const longest = 200 // 253 less what SES and API Gateway put before it
	if len(s) <= longest && domainPattern.MatchString(s) {
		return true
	}
	r.fail(key, "「%[1]s」はドメイン名ではありません。school.example.jp のように半角で書いてください（日本語ドメインは xn-- の形で）。",
		"%[1]q is not a domain. Write it like school.example.jp, and a Japanese one in its xn-- form.", s)
	return false
}

func (r *reader) number(key string, otherwise, low, high int) int {
	s := r.text(key, strconv.Itoa(otherwise))
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		r.fail(key, "%[1]dから%[2]dまでの整数を指定してください（いまは「%[3]s」）。", "give a whole number from %[1]d to %[2]d, not %[3]q.", low, high, s)
	}
	return n
}

// lanes reads the operator's lanes file, so that a faulty one stops the deploy and
// not the functions.
func (r *reader) lanes() string {
	name := r.text("lanes", "")
	if name == "" {
		return ""
	}
	text, err := r.ReadFile(name)
	if err != nil {
		r.fail("lanes", "ファイル「%[1]s」を読めません。場所と権限を確かめてください。", "the file %[1]q cannot be read. Check where it is and who may read it.", name)
		return ""
	}
	small := compact(text)
	if _, err := lane.Load(strings.NewReader(small)); err != nil {
		p := problem.Of(err)[0]
		r.fail("lanes", "%[1]s", "%[2]s", p.Text.JA, p.Text.EN)
		return ""
	}
	if len(small) > config.MaxLanes {
		r.fail("lanes", "ファイルが大きすぎます（%[1]dバイト、上限%[2]dバイト）。変えるレーンだけを書いてください。",
			"the file has %[1]d bytes, at most %[2]d are possible. Keep only the lanes that you change.", len(small), config.MaxLanes)
	}
	return small
}

// mailboxes reads the mailboxes that answer proofs: from a list, or from a text with
// commas.
func (r *reader) mailboxes(s Settings) []proof.Mailbox {
	const key = "proofMailboxes"
	var parts []string
	if list, ok := r.Context(key).([]any); ok {
		for _, e := range list {
			parts = append(parts, fmt.Sprint(e))
		}
	} else if one := r.text(key, ""); one != "" {
		parts = []string{one}
	}
	lanes, err := lane.Load(nil)
	if s.Lanes != "" {
		lanes, err = lane.Load(strings.NewReader(s.Lanes))
	}
	if err != nil {
		return nil // it was said of "lanes"
	}
	boxes, err := proof.ParseMailboxes(strings.Join(parts, ","), lanes)
	switch {
	case err != nil:
		why := problem.Of(err)[0].Text
		r.fail(key, "%[1]s", "%[2]s", why.JA, why.EN)
	case len(boxes) > 0 && s.Proof == 0:
		r.fail(key, "proofMinutes が0では、確かめません。", "with proofMinutes 0 nothing is proven.")
	}
	return boxes
}

// check holds the settings against each other.
func (r *reader) check(s Settings) {
	r.checkZone(s)
	r.checkWeb(s)
	r.checkNames(s)
	r.checkOpenID(s)
	if strings.HasPrefix(s.DMARC, "v=DMARC1") || s.DMARC == KeepDMARC {
		return
	}
	r.fail("dmarc", "「v=DMARC1; p=none」のように書くか、いまのレコードを残すなら「keep」と書いてください。",
		"write a record such as \"v=DMARC1; p=none\", or \"keep\" to leave the present one alone.")
}

// secretPattern is a whole ARN: without the six characters at its end the right to read it
// would be of no secret.
var secretPattern = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$`)

func (r *reader) checkOpenID(s Settings) {
	switch {
	case s.OpenIDIssuer == "" && s.OpenIDClient+s.OpenIDSecret == "":
	case !strings.HasPrefix(s.OpenIDIssuer, "https://"):
		r.fail("openidIssuer", "OpenID プロバイダーのアドレス（https:// で始まる）を指定してください。", "give the address of the OpenID provider; it begins with https://")
	case s.OpenIDClient == "":
		r.fail("openidClient", "プロバイダーが発行したクライアントIDを指定してください。", "give the client's id, as the provider shows it.")
	case s.OpenIDSecret != "" && !secretPattern.MatchString(s.OpenIDSecret):
		r.fail("openidSecretArn", "クライアントシークレットを入れた Secrets Manager のシークレットの ARN を指定してください（シークレットそのものではなく）。",
			"give the ARN of a secret in Secrets Manager that holds the client's secret, not the secret itself.")
	}
}

var zonePattern = regexp.MustCompile(`^Z[A-Z0-9]{5,31}$`)

func (r *reader) checkZone(s Settings) {
	switch {
	case s.Zone == "" && s.ZoneID == "":
	case s.Zone == "":
		r.fail("hostedZone", "hostedZoneId を使うときは、ゾーンの名前も指定してください。", "give the zone's name as well as hostedZoneId.")
	case !zonePattern.MatchString(s.ZoneID):
		r.fail("hostedZoneId", "Route 53 の画面にあるゾーンID（Zで始まる）を指定してください。", "give the zone's id as Route 53 shows it; it begins with Z.")
	case !slices.ContainsFunc(slices.Concat(s.MailDomains, []string{s.WebDomain, s.InboundDomain}), s.InZone):
		r.fail("hostedZone", "メール、ウェブのどのドメインもゾーン「%[1]s」の中にありません。", "none of the mail and web domains is in the zone %[1]q.", s.Zone)
	}
}

var certificatePattern = regexp.MustCompile(`^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[0-9a-f-]+$`)

func (r *reader) checkWeb(s Settings) {
	switch {
	case s.WebDomain == "" && s.Certificate != "":
		r.fail("webDomain", "certificateArn を使うときは、そのドメインも指定してください。", "give the domain of the certificate as well.")
	case s.WebDomain != "" && s.Certificate == "" && !s.InZone(s.WebDomain):
		r.fail("certificateArn", "「%[1]s」はホストゾーンの中にありません。ACM の証明書の ARN を指定するか、hostedZone を指定してください。",
			"%[1]s is not in a hosted zone. Give the ARN of its certificate in ACM, or give hostedZone.", s.WebDomain)
	case s.Certificate != "" && !certificatePattern.MatchString(s.Certificate):
		r.fail("certificateArn", "ACM の証明書の ARN（arn:aws:acm: で始まる）を指定してください。", "give the ARN of a certificate in ACM; it begins with arn:aws:acm:")
	}
	if s.InboundDomain != "" && slices.Contains(s.MailDomains, s.InboundDomain) {
		r.fail("inboundDomain", "学校のメールと同じドメインは使えません（そのメールがすべて届かなくなります）。in.%[1]s のように分けてください。",
			"it cannot be the schools' own mail domain, whose mail would all go to Todoku. Use another such as in.%[1]s.", s.InboundDomain)
	}
}

var (
	stackPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,99}$`)
	tablePattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
)

func (r *reader) checkNames(s Settings) {
	if !stackPattern.MatchString(s.Stack) {
		r.fail("stack", "英字で始まる、英数字とハイフンの名前にしてください。", "use letters, digits and hyphens, a letter first.")
	}
	if s.Table != "" && !tablePattern.MatchString(s.Table) {
		r.fail("table", "DynamoDB のテーブル名を指定してください。", "give the name of a DynamoDB table.")
	}
	if u, err := url.Parse(s.DeadMan); s.DeadMan != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		r.fail("deadMan", "https:// で始まるアドレスを指定してください。", "give an address that begins with https://.")
	}
	if a, err := mail.ParseAddress(s.AlarmMail); s.AlarmMail != "" && (err != nil || a.Address != s.AlarmMail) {
		r.fail("alarmMail", "メールアドレスを一つ指定してください。", "give one mail address.")
	}
}
