package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"time"

	"github.com/todoku/todoku/shared/lang"
)

// Disk is the room for the database.
type Disk struct {
	Free uint64 // bytes
	Used uint64 // bytes of the database
}

const (
	// clockFail is when answers and signatures are off by so much that mail looks
	// forged; clockWarn is when the times on pages no longer agree with telephones'.
	clockFail, clockWarn = time.Minute, 5 * time.Second
	// A database grows by its own size in a bad year, and a backup beside it takes as
	// much again.
	diskFail, diskWarn    = 200 << 20, 1 << 30
	backupWarn            = 2 * 24 * time.Hour
	backupFail            = 14 * 24 * time.Hour
	certFail, certWarn    = 3 * 24 * time.Hour, 14 * 24 * time.Hour
	mebibyte              = 1 << 20
	roundClock            = 100 * time.Millisecond
	hoursOfADay           = 24
	linkBackup, linkClock = "https://github.com/etcd-io/bbolt#database-backups", "https://jjy.nict.go.jp/tsp/PubNtp/index.html"
)

func (x *exam) clock(ctx context.Context) {
	if x.Clock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	off, err := x.Setup.Clock(ctx)
	f := Finding{
		Check: "clock", ID: "clock-wrong", Level: Fail, Link: linkClock,
		Why: lang.T("「いつまで有効」の判断とメールの日付が狂い、期限前に送信をやめたり、迷惑メールと見なされたりします。", "“Useful until” and the dates of mails are wrong: sending stops too early, or mail is taken for spam."),
		Fix: lang.T("このマシンの時刻合わせ（NTP）を有効にしてください。Linux: timedatectl set-ntp true", "Turn this machine's time synchronisation (NTP) on. Linux: timedatectl set-ntp true"),
	}
	switch size := off.Abs(); {
	case err != nil:
		f.ID, f.Level = "clock-unknown", Unknown
		f.What = lang.T("時計を確かめられません。時刻サーバーが答えません。", "The clock cannot be checked: no time server answers.")
	case size < clockWarn:
		x.saw("clock", "", "時計のずれは %v です。", "The clock is off by %v.", size.Round(roundClock))
		return
	default:
		f.What = lang.T("時計が %v ずれています。", "The clock is off by %v.", off.Round(roundClock))
		if size < clockFail {
			f.Level = Warn
		}
	}
	x.find(f)
}

func (x *exam) disk(context.Context) {
	if x.Disk == nil {
		return
	}
	d, err := x.Setup.Disk()
	if err != nil {
		return // this system does not tell
	}
	f := Finding{
		Check: "disk", ID: "disk-full", Level: Fail, Link: "https://github.com/etcd-io/bbolt#caveats--limitations",
		What: lang.T("ディスクの空きが %d MBしかありません（データベースは %d MB）。", "Only %d MB of the disk are free (the database has %d MB).", d.Free/mebibyte, d.Used/mebibyte),
		Why:  lang.T("一杯になると、連絡を出すことも、回答を記録することもできません。", "When it is full, no alert is accepted and no answer recorded."),
		Fix:  lang.T("不要なファイルや古いバックアップを移すか、ディスクを増やしてください。", "Move old backups and what is not needed elsewhere, or add room."),
	}
	switch {
	case d.Free < diskFail:
	case d.Free < max(diskWarn, 2*d.Used):
		f.Level, f.ID = Warn, "disk-low"
	default:
		x.saw("disk", "", "空きは %d MBです（データベースは %d MB）。", "%d MB are free (the database has %d MB).", d.Free/mebibyte, d.Used/mebibyte)
		return
	}
	x.find(f)
}

func (x *exam) backup(context.Context) {
	if x.Backup == nil {
		return
	}
	at, err := x.Setup.Backup()
	if err != nil {
		at = time.Time{} // what cannot be read is no backup
	}
	age := x.rep.At.Sub(at)
	f := Finding{
		Check: "backup", ID: "backup-old", Level: Warn, Link: linkBackup,
		What: lang.T("最後のバックアップは %d 日前です。", "The last backup is %d days old.", int(age.Hours()/hoursOfADay)),
		Why:  lang.T("ディスクが壊れた日に、保護者の連絡先がすべて失われます。", "On the day on which the disk breaks, all guardians' addresses are lost."),
		Fix:  lang.T("毎日「todoku backup ファイル」を実行し、別の機械に置いてください。", "Run “todoku backup FILE” every day, and keep it on another machine."),
	}
	switch {
	case at.IsZero():
		f.ID, f.What = "backup-none", lang.T("バックアップがまだありません。", "There is no backup yet.")
	case age < backupWarn:
		x.saw("backup", "", "最後のバックアップは %d 時間前です。", "The last backup is %d hours old.", int(age.Hours()))
		return
	case age >= backupFail:
		f.Level = Fail
	}
	x.find(f)
}

// web looks at the certificate of the pages.
func (x *exam) web(ctx context.Context) {
	u, err := url.Parse(x.Web)
	if x.Web == "" || err != nil {
		return
	}
	f := Finding{
		Check: "web", ID: "web-clear", Level: Warn, About: u.Host, Link: "https://www.rfc-editor.org/rfc/rfc9110#section-17.1",
		What: lang.T("保護者のページが暗号化されていません（http）。", "Guardians' pages are not encrypted (http)."),
		Why:  lang.T("回答が途中で読まれ、携帯電話は「安全でない」と表示します。", "Answers can be read on the way, and phones say “not secure”."),
		Fix:  lang.T("TLSプロキシを前に置き、-base-url https://… を指定してください。", "Put a TLS proxy in front, and give -base-url https://...."),
	}
	if u.Scheme != "https" {
		if !private(u.Hostname()) {
			x.find(f)
		}
		return
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	x.webCertificate(ctx, f, net.JoinHostPort(u.Hostname(), port), u.Hostname())
}

func (x *exam) webCertificate(ctx context.Context, f Finding, address, host string) {
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	conn, err := x.Dial(ctx, "tcp", address)
	if err != nil {
		f.ID, f.Level = "web-unreachable", Unknown
		f.What = lang.T("このマシンから %s につながりません。", "%s cannot be reached from this machine.", address)
		f.Why = lang.T("外からもつながらなければ、保護者は回答できません。", "If it cannot be reached from outside either, no guardian can answer.")
		f.Fix = lang.T("携帯電話の回線から開けるか確かめてください。", "Try to open it from a telephone on its own line.")
		x.find(f)
		return
	}
	defer func() { _ = conn.Close() }()
	secure := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: x.WebCAs, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		f.ID, f.Level = "web-certificate", Fail
		f.What = lang.T("保護者のページの証明書が正しくありません: %s", "The certificate of guardians' pages does not hold: %s", tlsReason(err))
		f.Why = lang.T("保護者の携帯電話は警告を出し、回答のページを開きません。", "Guardians' phones warn, and do not open the page to answer on.")
		f.Fix = lang.T("TLSプロキシの証明書を更新し、中間証明書も置いてください。", "Renew the proxy's certificate, and serve the intermediate ones with it.")
		x.find(f)
		return
	}
	x.certificate("web", address, secure.ConnectionState().PeerCertificates)
}

// certificate looks how long a certificate holds.
func (x *exam) certificate(check, about string, chain []*x509.Certificate) {
	if len(chain) == 0 {
		return
	}
	left := chain[0].NotAfter.Sub(x.rep.At)
	days := int(left.Hours() / hoursOfADay)
	if left >= certWarn {
		x.saw(check, about, "証明書はあと %d 日有効です。", "The certificate holds for %d more days.", days)
		return
	}
	f := Finding{
		Check: check, ID: check + "-certificate-ends", Level: Warn, About: about, Link: "https://letsencrypt.org/docs/integration-guide/",
		What: lang.T("証明書があと %d 日で切れます。", "The certificate ends in %d days.", days),
		Why:  lang.T("切れた日から、保護者はページを開けず、メールも送れません。", "From that day on guardians cannot open the pages, or mail cannot be handed over."),
		Fix:  lang.T("自動更新が動いているか確かめ、更新してください。中継サーバーのものなら業者に伝えてください。", "See whether the automatic renewal runs, and renew it. If it is the relay's, tell its provider."),
	}
	if left < certFail {
		f.Level = Fail
	}
	x.find(f)
}
