package roster

import (
	"bytes"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// kinds are files that offices send in place of a CSV, by how they begin:
// https://en.wikipedia.org/wiki/List_of_file_signatures
var kinds = []struct {
	magic string
	what  lang.Text
	sheet bool // it is a table, and a program can save it as CSV
}{
	{"%PDF-", lang.T("PDF", "a PDF"), false},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", lang.T("Excelなどの古い形式（.xls）", "an old Excel workbook (.xls)"), true},
	{"\x89PNG", lang.T("画像", "a picture"), false},
	{"\xff\xd8\xff", lang.T("画像", "a picture"), false},
	{"GIF8", lang.T("画像", "a picture"), false},
	{"BM", lang.T("画像", "a picture"), false},
	{"RIFF", lang.T("画像・音声", "a picture or sound"), false},
	{"{\\rtf", lang.T("文書（RTF）", "a text document (RTF)"), false},
	{"\x1f\x8b", lang.T("圧縮ファイル", "a compressed file"), false},
	{"Rar!", lang.T("圧縮ファイル", "a compressed file"), false},
	{"7z\xbc\xaf", lang.T("圧縮ファイル", "a compressed file"), false},
}

// refuseKind says what a file is if it is no CSV, and what to do instead.
func refuseKind(data []byte) error {
	switch {
	case len(data) == 0:
		return problem.New(problem.Invalid, "ファイルが空です。名簿の入ったCSVファイルを選んでください。", "The file is empty. Please choose the CSV file with the class list.")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("PK\x05\x06")):
		return refuseZip(data)
	case looksLikeHTML(data):
		return notCSV(lang.T("Webページ（HTML）", "a web page (HTML)"), true)
	}
	for _, k := range kinds {
		if bytes.HasPrefix(data, []byte(k.magic)) && (k.magic != "BM" || bytes.IndexByte(data[:min(len(data), 64)], 0) >= 0) {
			return notCSV(k.what, k.sheet)
		}
	}
	if len(data) > 12 && string(data[4:8]) == "ftyp" {
		return notCSV(lang.T("画像・動画", "a picture or film"), false)
	}
	return nil
}

func refuseZip(data []byte) error {
	for _, name := range []string{"[Content_Types].xml", "xl/", "mimetypeapplication/vnd.oasis", "Index/Document.iwa"} {
		if bytes.Contains(data, []byte(name)) {
			return notCSV(lang.T("Excelなどの表計算ファイル（.xlsx）", "a spreadsheet (.xlsx)"), true)
		}
	}
	return notCSV(lang.T("ZIP（圧縮ファイル）", "a ZIP archive"), false)
}

func looksLikeHTML(data []byte) bool {
	head := strings.ToLower(string(bytes.TrimLeft(data[:min(len(data), 256)], "\ufeff \t\r\n")))
	return strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html") || strings.HasPrefix(head, "<?xml")
}

func notCSV(what lang.Text, sheet bool) error {
	ja := "これは" + what.JA + "で、CSVではありません。"
	en := "This is " + what.EN + ", not a CSV file. "
	if sheet {
		ja += "Excelで開き、「名前を付けて保存」→ ファイルの種類「CSV UTF-8（コンマ区切り）」で保存して、そのファイルを選んでください。"
		en += "Open it in Excel, choose “Save As” with the file type “CSV UTF-8 (Comma delimited)”, and choose that file."
	} else {
		ja += "名簿を表計算ソフトでCSVに保存し、そのファイルを選んでください。"
		en += "Please save the class list as CSV in your spreadsheet program and choose that file."
	}
	return &problem.Error{Kind: problem.Invalid, Text: lang.Text{JA: ja, EN: en}}
}
