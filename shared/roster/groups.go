package roster

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Groups returns the classes of a school in their natural order, then the grades
// that they make up, then the others, each with the number of children in it now.
// It reads the groups and their counters, not the children.
func (s *Store) Groups(ctx context.Context, school string) ([]Group, error) {
	if !usable(school) {
		return nil, nil
	}
	stored, err := s.storedGroups(ctx, school)
	return withGrades(stored), err
}

func (s *Store) storedGroups(ctx context.Context, school string) ([]Group, error) {
	var groups []Group
	counts := map[string]int64{}
	err := each(ctx, s.Table, table.Query{Partition: part(school, "groups")}, func(item table.Item) error {
		if group, ok := strings.CutPrefix(item.Sort, countPrefix); ok {
			counts[group] = item.Counts[countField]
			return nil
		}
		var g Group
		err := json.Unmarshal(item.Value, &g)
		groups = append(groups, g)
		return err
	})
	for i := range groups {
		groups[i].Children = int(counts[groups[i].ID])
	}
	return groups, err
}

// Named returns those of the groups with these ids that exist, by id, without their
// counts and without grades. It reads no other group: what a page names costs the
// same in a large school.
func (s *Store) Named(ctx context.Context, school string, ids []string) (map[string]Group, error) {
	named := make(map[string]Group, len(ids))
	err := s.readMany(ctx, school, ids, groupKey, func(item table.Item) error {
		var g Group
		err := json.Unmarshal(item.Value, &g)
		named[g.ID] = g
		return err
	})
	return named, err
}

// PutGroup makes a class or other group, or names it anew; make it with NewClass
// or NewGroup. Its count is kept by its members and cannot be set.
func (s *Store) PutGroup(ctx context.Context, school string, g Group) error {
	if err := checkGroup(g); err != nil {
		return err
	}
	g.Children, g.Classes = 0, nil
	return s.set(ctx, groupKey(school, g.ID), g)
}

func checkGroup(g Group) error {
	switch {
	case !usable(g.ID) || clean(g.Name) == "":
		return problem.New(problem.Invalid, "グループの名前を入れてください。", "Please fill in the group's name.").In("name")
	case len([]rune(g.Name)) > MaxNameLength:
		return tooLong(g.Name, "グループの名前", "group's name").In("name")
	case strings.ContainsAny(g.Name, separators):
		return problem.New(problem.Invalid, "グループの名前に「、」「,」「;」「/」や改行は使えません。", "A group's name cannot hold 、 , ; / or line breaks.").In("name")
	case g.Kind != Class && g.Kind != Other:
		return problem.New(problem.Invalid, "学年は組から自動で作られます。組を登録してください。", "Grades follow from their classes. Please enter the class.").In("kind")
	}
	return nil
}

// addGroups makes those groups that do not exist yet, and leaves the others alone.
func (s *Store) addGroups(ctx context.Context, school string, groups []Group) error {
	for chunk := range slices.Chunk(groups, table.MaxOps) {
		if err := s.addChunk(ctx, school, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) addChunk(ctx context.Context, school string, groups []Group) error {
	missing := slices.Clone(groups)
	for len(missing) > 0 {
		var ops []table.Op
		for _, g := range missing {
			value, err := json.Marshal(g)
			if err != nil {
				return err
			}
			ops = append(ops, table.Create{Key: groupKey(school, g.ID), Value: value})
		}
		err := s.Table.Write(ctx, "", ops...)
		there, conflict := table.Conflict(err)
		if !conflict {
			return err
		}
		for _, i := range slices.Backward(there) {
			missing = slices.Delete(missing, i, i+1)
		}
	}
	return nil
}
