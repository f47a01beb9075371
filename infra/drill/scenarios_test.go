package drill

import "testing"

// scenarios are what every kind of system must do.
var scenarios = []struct {
	name string
	run  func(*Drill)
}{
	{"a system that works says so", healthy},
	{"a class list is imported, corrected and imported again", importClassList},
	{"a list that is none is refused in words", importNonsense},
	{"the mail hosts of a domain decide its lane", laneByMX},
	{"a lane that its operator puts off reopens, and the others go on", laneReopens},
	{"an empty mail registers, and its reply confirms", mailDoor},
	{"mail that is automatic, forged or without a code gets no reply", mailNoise},
	{"every contact of the school gets one mail", tellTheSchool},
	{"contacts never heard of come last or thin", neverLast},
	{"a safety check overtakes a notice, and a small one a huge one", shareALane},
	{"two alerts at once go on alike", alike},
	{"a part does not leave in time, and a newer alert does", morning},
	{"answers are counted as they were given", answer},
	{"opening a link changes nothing", openOnly},
	{"a later answer replaces an earlier one", answerAgain},
	{"a page that was passed on cannot answer", passOn},
	{"a link that leads nowhere says so", unknownLink},
	{"those who have not answered are reminded, others first", chase},
	{"reminders are as the school has set them", chaseSettings},
	{"a reply of one word answers", replyAnswers},
	{"a drill is planned, held, reported, and never real", drills},
	{"a family card reports a child safe without mail", familyCard},
	{"what has not left in time is cancelled", expire},
	{"what the mail service gives up goes back and arrives", givenUp},
	{"a refused contact is shown, and others are told", refuse},
	{"a lone unknown user is closed, and its teacher told", loneRefusal},
	{"an operator that refuses everybody closes nobody", policyEvent},
	{"an operator that was away gets its mail later", away},
	{"the page of an alert is updated without mail", note},
	{"before sending it is said how long that will take", forecast},
	{"only those who have not answered are told once more", follow},
	{"no news of arrivals stops nothing and is told once", unheard},
	{"too many bounces stop notices before the mail service does", brake},
	{"links of a replaced alert show the newest", supersede},
	{"a closed alert takes no answers", closeAlert},
	{"an alert can be taken back for ten seconds", undo},
	{"an alert cannot be taken back later", undoLate},
	{"an alert sent twice goes out once", repeat},
	{"a drill is marked wherever it shows", drillMark},
	{"what was done is recorded and sealed", auditTrail},
	{"a school sends its own template", ownTemplate},
	{"a group that is not there loses no text", vanishedGroup},
	{"a guardian registers with a slip's code", registerBySlip},
	{"the office invites guardians", registerByOffice},
	{"people are invited, imported and handed over", people},
	{"staff sign in with the accounts of their organisation", openID},
	{"a guardian looks after the own contacts", ownPage},
	{"a guardian wants no notices, and then nothing", noNotices},
	{"the school year turns, is taken back and turns again", turnYear},
	{"an address of which nothing was heard for a year is asked", recheck},
	{"who has not answered is phoned, each family once", callDesk},
	{"siblings at two schools are phoned once", siblingsAtTwoSchools},
	{"the district phones siblings at two schools with one call", districtDesk},
	{"staff tick off the children whom they see", atTheGate},
	{"an operator that swallows mail is called out", silentLane},
	{"what happened is told afterwards", afterwards},
	{"what is kept ends when it should", keptFor},
	{"a teacher tells the whole school in an emergency", breakGlass},
	{"an API token ends, and its managers are told before", tokenEnds},
	{"the district looks at its schools and tells them all", district},
}

func TestOneMachine(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(Start(t, OneMachine))
		})
	}
}
