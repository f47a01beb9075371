package console

import (
	"testing"

	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

func TestTemplates(t *testing.T) {
	webtest.Templates(t, templates, map[string]web.Data{
		"reach.html": &reachPage{}, "reach_class.html": &classPage{}, "reach_invited.html": &invitedPage{}, "slips.html": &slipsPage{}, "poster.html": &posterPage{}, "invite.html": &invitePage{},
		"home.html":    &homePage{},
		"compose.html": &composePage{},
		"preview.html": &draftPage{},
		"quick.html":   &quickPage{}, "templates.html": &templatesPage{}, "template.html": &templatePage{},
		"status.html": &statusPage{}, "district.html": &districtPage{}, "report.html": &reportPage{}, "usage.html": &usagePage{},
		"class.html": &childrenPage{},
		"help.html":  &childrenPage{},
		"close.html": &closePage{}, "note.html": &notePage{},

		"people.html": &peoplePage{}, "signin_rule.html": &rulePage{}, "person.html": &personPage{}, "person_code.html": &codePage{}, "signin_code.html": &signInPage{},
		"people_import.html": &peopleImportPage{}, "hand_over.html": &handOverPage{}, "hand_over_preview.html": &handOverPage{},

		"desk.html": &deskPage{}, "district_desk.html": &districtDeskPage{}, "district_family.html": &householdPage{}, "family.html": &familyPage{}, "paper.html": &paperPage{}, "paper_enter.html": &paperPage{}, "gate.html": &gatePage{}, "gate_classes.html": &gateClassesPage{},
		"break_glass.html": &glassPage{}, "break_glass_held.html": &heldPage{}, "break_glass_settings.html": &glassSettingsPage{}, "chase.html": &chasePage{}, "drills.html": &drillsPage{}, "cards.html": &cardsPage{}, "replies.html": &repliesPage{},

		"me.html": &mePage{}, "prove.html": &provePage{}, "tokens.html": &tokensPage{}, "district_send.html": &districtAlertPage{}, "district_sent.html": &districtSentPage{},
		"audit.html": &auditPageData{}, "system.html": &systemPage{}, "lost.html": &lostPage{},

		"signin.html":      &signInPage{},
		"signin_mail.html": &signInPage{},
		"signin_link.html": &signInPage{},
		"signin_out.html":  &signInPage{},

		"roster.html":         &rosterPage{},
		"roster_columns.html": &columnsPage{},
		"roster_preview.html": &previewPage{},
		"roster_result.html":  &resultPage{},
		"roster_running.html": &runningPage{},
		"roster_turn.html":    &turnPage{}, "roster_turn_preview.html": &turnPreview{}, "roster_turn_result.html": &turnResult{},
	})
}
