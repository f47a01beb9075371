package mailhelp

import "github.com/todoku/todoku/shared/lang"

// operator is a page: how to let mail through.
type operator struct {
	Slug  string // end of its path
	Name  lang.Text
	Lane  string // of the lanes file; several operators may share one
	Ends  string // what the addresses end in, for people
	Steps []step
	Notes []lang.Text
	// Known says where the names of menus come from, and of when: they change, and
	// nobody tells us.
	Known lang.Text
}

// step is one thing to do, with a drawing of the screen on which it is done.
type step struct {
	Text   lang.Text
	Screen screen
}

// screen is a drawing of a menu. What stands on it is Japanese in both languages, as
// it is on the telephone.
type screen struct {
	Title  string
	Rows   []string
	Chosen int  // index of the row to press, -1 for none
	Field  bool // the chosen row is a field, for the school's domain
}

func press(ja, en string, title string, chosen int, rows ...string) step {
	return step{Text: lang.Text{JA: ja, EN: en}, Screen: screen{Title: title, Rows: rows, Chosen: chosen}}
}

func enter(ja, en string, title string, rows ...string) step {
	return step{Text: lang.Text{JA: ja, EN: en}, Screen: screen{Title: title, Rows: rows, Field: true}}
}

// operators are all pages, in the order of the list.
var operators = []operator{
	{
		Slug: "docomo", Name: lang.T("ドコモ", "docomo"), Lane: "docomo", Ends: "@docomo.ne.jp",
		Steps: []step{
			press("ドコモメールのアプリで「その他」（メニュー）を押し、「メール設定」を選びます。iPhone では、ブラウザーで「My docomo」を開き、「メール設定」を選びます。",
				"In the docomo mail app press “その他” (menu), then “メール設定” (mail settings). On an iPhone open “My docomo” in the browser, then “メール設定”.",
				"ドコモメール", 1, "その他", "メール設定", "ヘルプ"),
			press("「ドコモメール設定サイト」を選び、dアカウントか暗証番号で確認します。Wi-Fi は切っておきます。",
				"Choose “ドコモメール設定サイト” (settings site) and confirm with your d account or your code. Turn Wi-Fi off before.",
				"メール設定", 0, "ドコモメール設定サイト", "通知", "署名"),
			press("「受信リスト設定」を開き、「設定を利用する」を選びます。",
				"Open “受信リスト設定” (list of senders to receive) and choose “設定を利用する” (use the setting).",
				"迷惑メール対策", 1, "拒否リスト設定", "受信リスト設定", "かんたん設定"),
			enter("「さらに追加する」を押し、上の「学校のドメイン」を入力します。",
				"Press “さらに追加する” (add) and enter the school's domain from above.",
				"受信リスト設定", "", "さらに追加する", "確認する"),
			press("「確認する」、「設定を確定する」の順に押すと終わりです。",
				"Press “確認する” (check), then “設定を確定する” (confirm). That is all.",
				"設定内容確認", 1, "受信リスト：設定を利用する", "設定を確定する"),
		},
		Notes: []lang.Text{lang.T("「迷惑メールおまかせブロック」を使っている場合は、迷惑メールフォルダーも見てください。",
			"If you use “迷惑メールおまかせブロック” (spam block), look into its spam folder, too.")},
		Known: lang.T("メニュー名は、ドコモの公開ページと利用者向けの手順書（2015〜2019年）で確かめたものです。",
			"The names of menus are those of docomo's public pages and of guides for users (2015 to 2019)."),
	},
	{
		Slug: "au", Name: lang.T("au・UQ mobile", "au and UQ mobile"), Lane: "au", Ends: "@ezweb.ne.jp　@au.com　@uqmobile.jp",
		Steps: []step{
			press("メールのアプリで、メニューから「メール設定」（メール設定画面）を開きます。",
				"In the mail app open “メール設定” (mail settings) from the menu.",
				"メール", 1, "新規作成", "メール設定", "ヘルプ"),
			press("「メールアドレス変更・迷惑メールフィルター・自動転送」を選びます。",
				"Choose “メールアドレス変更・迷惑メールフィルター・自動転送” (address, spam filter, forwarding).",
				"メール設定画面", 0, "迷惑メールフィルター", "受信・表示", "送信・作成"),
			press("「迷惑メールフィルターの設定/確認へ」を押し、4桁の暗証番号を入れて「送信」を押します。",
				"Press “迷惑メールフィルターの設定/確認へ”, enter your four-digit code and press “送信” (send).",
				"迷惑メールフィルター", 1, "オススメの設定はこちら", "設定/確認へ"),
			press("「受信リストに登録する」を選びます。",
				"Choose “受信リストに登録する” (add to the list of senders to receive).",
				"個別設定", 0, "受信リストに登録する", "拒否リストに登録する"),
			enter("上の「学校のドメイン」を入力し、「必ず受信」を有効にして、「変更する」「OK」と進みます。",
				"Enter the school's domain from above, turn “必ず受信” (always receive) on, then press “変更する” (change) and OK.",
				"受信リスト設定", "", "✓ 必ず受信", "変更する"),
		},
		Notes: []lang.Text{lang.T("「必ず受信」を付けると、「なりすまし規制」でも止まりません。",
			"With “必ず受信” the mail also passes “なりすまし規制” (the check against forged senders).")},
		Known: lang.T("メニュー名は、au の機種の取扱説明書（au.com、Android 14 の頃）で確かめたものです。",
			"The names of menus are those of au's manuals for its telephones (au.com, at the time of Android 14)."),
	},
	{
		Slug: "softbank", Name: lang.T("ソフトバンク", "SoftBank"), Lane: "softbank", Ends: "@softbank.ne.jp　@i.softbank.jp",
		Steps: []step{
			press("Wi-Fi を切って「My SoftBank」を開き、「メール設定」を押します。",
				"Turn Wi-Fi off, open “My SoftBank” and press “メール設定” (mail settings).",
				"My SoftBank", 1, "料金", "メール設定", "契約内容"),
			press("「迷惑メール対策」を押し、「詳細設定をみる」を押します。",
				"Press “迷惑メール対策” (against spam), then “詳細設定をみる” (see the details).",
				"メール設定", 1, "メールアドレス", "迷惑メール対策", "転送"),
			press("お使いのメールを選びます。@i.softbank.jp なら「Eメール(i)」、@softbank.ne.jp なら「S!メール」です。",
				"Choose your mail: “Eメール(i)” for @i.softbank.jp, “S!メール” for @softbank.ne.jp.",
				"迷惑メール対策", 0, "Eメール(i)", "S!メール"),
			press("「受信許可リスト」の「変更する」を押します。",
				"Press “変更する” (change) beside “受信許可リスト” (allowed senders).",
				"詳細設定", 0, "受信許可リスト　変更する", "受信拒否リスト"),
			enter("上の「学校のドメイン」を入力し、「後方一致」を選んで登録します。",
				"Enter the school's domain from above, choose “後方一致” (ends in) and register it.",
				"受信許可リスト", "", "後方一致 ▼", "登録する"),
		},
		Notes: []lang.Text{lang.T("受信許可リストは、「なりすまし拒否」を除くすべての拒否設定より優先されます。それでも届かないときは「なりすましメールの救済リスト」にも同じドメインを登録してください。",
			"The list goes before every other setting but “なりすまし拒否” (forged senders). If mail still does not come, add the domain to “なりすましメールの救済リスト”, too.")},
		Known: lang.T("メニュー名は、ソフトバンクのサポートページ（softbank.jp、日付の記載なし）で確かめたものです。",
			"The names of menus are those of SoftBank's support pages (softbank.jp, which bear no date)."),
	},
	{
		Slug: "ymobile", Name: lang.T("ワイモバイル", "Y!mobile"), Lane: "softbank", Ends: "@ymobile.ne.jp　@yahoo.ne.jp",
		Steps: []step{
			press("@yahoo.ne.jp の方は、この一覧の「Yahoo!メール」の案内を見てください。@ymobile.ne.jp の方は、Wi-Fi を切って「My Y!mobile」を開きます。",
				"If your address ends in @yahoo.ne.jp, see the page of Yahoo! Mail. If it ends in @ymobile.ne.jp, turn Wi-Fi off and open “My Y!mobile”.",
				"My Y!mobile", 1, "料金・データ", "メール設定", "アカウント設定"),
			press("メールの設定から、迷惑メールの設定に進みます。",
				"Go from the mail settings to those against spam.",
				"メール設定", 0, "迷惑メールの設定", "メールアドレス"),
			enter("受信を許可するリストに、上の「学校のドメイン」を登録します。",
				"Add the school's domain from above to the list of allowed senders.",
				"受信許可", "", "登録する"),
		},
		Notes: []lang.Text{lang.T("届いたメールが迷惑メールフォルダーに入っていたら、「迷惑メールでない」を選んでください。",
			"If a mail was put into the spam folder, mark it as not spam.")},
		Known: lang.T("ワイモバイルの公開ページでは手順を確かめられていません。画面の名前は違うことがあります。",
			"We could not check these steps on Y!mobile's public pages. The screens may have other names."),
	},
	{
		Slug: "rakuten", Name: lang.T("楽天モバイル（楽メール）", "Rakuten Mobile"), Lane: "rakuten", Ends: "@rakumail.jp",
		Steps: []step{
			press("メールのアプリで「迷惑メール」のフォルダーを開きます。",
				"In the mail app open the spam folder (迷惑メール).",
				"メール", 1, "受信", "迷惑メール", "送信済み"),
			press("学校からのメールがあれば開き、迷惑メールではないことを知らせます。",
				"If there is a mail from the school, open it and mark it as not spam.",
				"迷惑メール", 1, "学校からのメール", "迷惑メールではない"),
			enter("学校のメールアドレスを、電話の連絡先に登録します。",
				"Add the school's mail address to the contacts of your telephone.",
				"連絡先", "", "保存"),
		},
		Known: lang.T("楽天モバイルの公開ページでは、受信を許可する設定の手順を見つけられませんでした。届かないときは、別のメールアドレスも登録してください。",
			"We found no public page of Rakuten Mobile on allowing a sender. If mail does not come, please register another address as well."),
	},
	{
		Slug: "icloud", Name: lang.T("iCloud メール", "iCloud Mail"), Lane: "apple", Ends: "@icloud.com　@me.com　@mac.com",
		Steps: []step{
			press("「メール」アプリで「迷惑メール」のフォルダーを開きます。ここのメールは30日で消えます。",
				"In the Mail app open the Junk folder (迷惑メール). What is there is deleted after 30 days.",
				"メールボックス", 1, "受信", "迷惑メール", "ゴミ箱"),
			press("学校からのメールがあれば、「迷惑メールではない」を押すか、受信に移します。",
				"If there is a mail from the school, press “迷惑メールではない” (not junk) or move it to the inbox.",
				"迷惑メール", 1, "学校からのメール", "迷惑メールではない"),
			enter("学校のメールアドレスを「連絡先」に登録します。",
				"Add the school's mail address to your contacts.",
				"連絡先", "", "完了"),
			enter("さらに確かにするには、ブラウザーで iCloud.com の「メール」を開き、「ルールを追加」で上の「学校のドメイン」を「受信」に入れるようにします。",
				"To be surer, open Mail on iCloud.com in a browser and add a rule (ルールを追加) that moves mail from the school's domain to the inbox.",
				"ルールを追加", "", "受信に移動", "終了"),
		},
		Notes: []lang.Text{lang.T("iCloud メールには、受信を必ず許可するリストがありません。", "iCloud Mail has no list of senders that are always let through.")},
		Known: lang.T("手順は、Apple のサポートページ（迷惑メールの管理、iCloud メールのルール）で確かめたものです。ページに日付はありません。",
			"The steps are those of Apple's support pages on junk mail and on rules of iCloud Mail, which bear no date."),
	},
	{
		Slug: "gmail", Name: lang.T("Gmail", "Gmail"), Lane: "google", Ends: "@gmail.com",
		Steps: []step{
			press("まず「迷惑メール」と「プロモーション」を見ます。学校からのメールがあれば開き、「迷惑メールではない」を押します。",
				"First look into Spam (迷惑メール) and Promotions. If there is a mail from the school, open it and press “迷惑メールではない” (not spam).",
				"Gmail", 1, "受信トレイ", "迷惑メール", "プロモーション"),
			press("確かに届くようにするには、パソコンか電話のブラウザーで Gmail を開きます（アプリでは設定できません）。検索欄の右の「検索オプションを表示」を押します。",
				"To be sure, open Gmail in a browser (the app cannot do this) and press “検索オプションを表示” (show search options) at the right of the search field.",
				"メールを検索", 0, "検索オプションを表示"),
			enter("「From」に、上の「学校のドメイン」を入力し、「フィルタを作成」を押します。",
				"Enter the school's domain from above into “From” and press “フィルタを作成” (create filter).",
				"検索オプション", "", "フィルタを作成"),
			press("「迷惑メールにしない」に印を付け、「フィルタを作成」を押すと終わりです。",
				"Tick “迷惑メールにしない” (never send it to spam) and press “フィルタを作成”. That is all.",
				"フィルタ", 1, "スターを付ける", "✓ 迷惑メールにしない", "フィルタを作成"),
		},
		Known: lang.T("手順は、公開されている利用者向けの案内で確かめたものです（2026年11月に参照。案内そのものはもっと古いものです）。",
			"The steps are those of public guides for users (read in November 2026; the guides themselves are older)."),
	},
	{
		Slug: "yahoo", Name: lang.T("Yahoo!メール", "Yahoo! JAPAN Mail"), Lane: "yahoo-jp", Ends: "@yahoo.co.jp　@yahoo.ne.jp　@ymail.ne.jp",
		Steps: []step{
			press("まず「迷惑メール」フォルダーを見ます。学校からのメールがあれば開き、「迷惑メールでない」を押します。",
				"First look into the spam folder (迷惑メール). If there is a mail from the school, open it and press “迷惑メールでない” (not spam).",
				"Yahoo!メール", 1, "受信箱", "迷惑メール", "送信済み"),
			press("ブラウザーで Yahoo!メールを開き、メールの設定（メールオプション）に進みます。",
				"Open Yahoo! Mail in a browser and go to its settings (メールオプション).",
				"Yahoo!メール", 1, "メール作成", "設定", "ヘルプ"),
			press("「なりすましメール拒否設定」を選びます。",
				"Choose “なりすましメール拒否設定” (forged senders).",
				"設定", 1, "フィルター", "なりすましメール拒否設定", "受信拒否"),
			enter("「救済リスト」に上の「学校のドメイン」を入力し、「リストに追加」を押します。",
				"Enter the school's domain from above into the list of exceptions (救済リスト) and press “リストに追加” (add).",
				"救済リスト", "", "リストに追加"),
		},
		Notes: []lang.Text{lang.T("ドメイン指定受信などを使っている場合は、同じドメインをそこにも加えてください。",
			"If you only receive from chosen domains, add this one there, too.")},
		Known: lang.T("メニュー名は、Yahoo!メールヘルプ（旧正式版）と mail.yahoo.co.jp の案内で確かめたものです。新しい画面では名前が違うことがあります。",
			"The names of menus are those of Yahoo! Mail's help (of its former version) and of mail.yahoo.co.jp. Newer screens may have other names."),
	},
}
