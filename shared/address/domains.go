package address

// popular are the domains that guardians in Japan write most, in the order of how
// often (assumed, from the shares of the operators). Suggestions lead here.
var popular = []string{
	"gmail.com", "docomo.ne.jp", "icloud.com", "ezweb.ne.jp", "i.softbank.jp",
	"softbank.ne.jp", "yahoo.co.jp", "au.com", "outlook.jp", "outlook.com",
	"hotmail.com", "hotmail.co.jp", "ymobile.ne.jp", "yahoo.ne.jp", "rakumail.jp",
	"uqmobile.jp", "yahoo.com", "me.com", "live.jp", "msn.com", "ybb.ne.jp",
	"nifty.com", "jcom.home.ne.jp", "jcom.zaq.ne.jp", "googlemail.com", "mac.com",
	"ymail.ne.jp", "vodafone.ne.jp", "disney.ne.jp", "biglobe.ne.jp",
}

// alsoReal are further domains at which people have mailboxes and which look like
// a slip of a popular one, or are popular enough to be sure of. They are never
// corrected. Subdomains count.
var alsoReal = []string{
	// near a popular name
	"aol.com", "aol.jp", "au-hikari.ne.jp", "cloud.com", "email.com", "emailplus.org",
	"fastmail.com", "gmx.com", "gmx.de", "gmx.net", "gol.com", "goo.jp", "goo.ne.jp",
	"hotmail.jp", "hmail.com", "hushmail.com", "kddi.com", "live.com", "mail.com",
	"nttdocomo.co.jp", "nttdocomo.com", "rakuten.co.jp", "rakuten.com", "rakuten.jp",
	"rocketmail.com", "softbank.co.jp", "tmail.com", "y-mobile.co.jp",
	"yahoo-corp.jp", "yahoo.com.cn", "ymail.com", "ymobile1.ne.jp", "zmail.com",
	// mobile operators, past and present
	"ahamo.com", "emnet.ne.jp", "emobile-s.ne.jp", "emobile.ne.jp", "jp-c.ne.jp",
	"jp-d.ne.jp", "jp-h.ne.jp", "jp-k.ne.jp", "jp-n.ne.jp", "jp-q.ne.jp", "jp-r.ne.jp",
	"jp-s.ne.jp", "jp-t.ne.jp", "mineo.jp", "mopera.ne.jp", "mopera.net", "pdx.ne.jp",
	"willcom.com",
	// internet providers and free mail
	"asahi-net.or.jp", "commufa.jp", "dion.ne.jp", "dti.ne.jp", "eonet.ne.jp",
	"excite.co.jp", "hi-ho.ne.jp", "home.ne.jp", "infoseek.jp", "kcn.ne.jp",
	"mail.ru", "naver.com", "nifty.ne.jp", "ocn.ne.jp", "plala.or.jp", "pm.me",
	"proton.me", "protonmail.com", "qq.com", "sannet.ne.jp", "so-net.ne.jp",
	"tiki.ne.jp", "wakwak.com", "zaq.ne.jp",
}

// worldwide are services with a domain in many countries, so that a different
// ending is no mistake.
var worldwide = []string{"yahoo", "hotmail", "outlook", "live", "msn", "aol", "gmx"}

// oneHome are names that belong to one operator, which uses them for mail under
// one domain only: any other ending is a mistake.
var oneHome = map[string]string{
	"docomo":     "docomo.ne.jp",
	"ezweb":      "ezweb.ne.jp",
	"gmail":      "gmail.com",
	"googlemail": "googlemail.com",
	"icloud":     "icloud.com",
	"rakumail":   "rakumail.jp",
	"uqmobile":   "uqmobile.jp",
	"ymobile":    "ymobile.ne.jp",
}

// slips are domains that guardians write and that are too far from what they
// mean, or too near to a real one, for a rule to find.
var slips = map[string]string{
	"au.co.jp":         "au.com",
	"au.jp":            "au.com",
	"au.ne.jp":         "au.com",
	"ezweb.au.com":     "ezweb.ne.jp",
	"hotmail.co":       "hotmail.co.jp",
	"hotmail.ne.jp":    "hotmail.co.jp",
	"i.softbank.co.jp": "i.softbank.jp",
	"i.softbank.com":   "i.softbank.jp",
	"i.softbank.ne.jp": "i.softbank.jp",
	"outlook.co.jp":    "outlook.jp",
	"outlook.ne.jp":    "outlook.jp",
	"softbank.jp":      "i.softbank.jp",
	"softbank.ne":      "softbank.ne.jp",
	"yahoo.co":         "yahoo.co.jp",
	"yahoo.com.jp":     "yahoo.co.jp",
	"yahoo.jp":         "yahoo.co.jp",
	"yahoo.ne.co.jp":   "yahoo.co.jp",
}

// neighbours are the keys around each letter that begins a popular name, on a
// QWERTY keyboard, and the letters that look like it.
var neighbours = map[byte]string{
	'a': "qwsz", 'b': "vghn", 'd': "sefcx", 'e': "wsdr3", 'g': "fvbq", 'h': "gyujnb",
	'i': "ujko1lj", 'j': "huikmn", 'l': "kop1i", 'm': "njk", 'n': "bhjm", 'o': "ipkl0",
	'r': "edft", 's': "awedxz5", 'u': "yhji", 'v': "cfgb", 'y': "tghu",
}
