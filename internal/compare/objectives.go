package compare

// Objectives are all questions that a comparison asks, with the weights that they have by default, in the order in which
// they are shown. The weights add up to 100.
func Objectives() []Objective {
	return []Objective{
		{ID: "versions.forward", Area: Versions, Weight: 11, Title: "no service goes backwards"},
		{ID: "versions.identity", Area: Versions, Weight: 1, Title: "the image of every service is known on both sides"},
		{ID: "versions.services", Area: Versions, Weight: 1, Title: "the target runs no service that the source lacks"},
		{ID: "versions.replicas", Area: Versions, Weight: 1, Title: "all replicas of a service run the same image"},
		{ID: "versions.endpoint", Area: Versions, Weight: 1, Title: "services answer with the version that their image names"},
		{ID: "versions.servers", Area: Versions, Weight: 1, Title: "database servers have the same major version"},

		{ID: "schema.data-kept", Area: Schema, Weight: 5, Key: true, Title: "no data of the target is deleted"},
		{ID: "schema.rows-fit", Area: Schema, Weight: 5, Key: true, Title: "the target's rows fit the new schema"},
		{ID: "schema.migrations", Area: Schema, Weight: 5, Title: "migrations are in order, unedited and whole"},
		{ID: "schema.old-code", Area: Schema, Weight: 3, Title: "the running release works on the new schema"},
		{ID: "schema.reference", Area: Schema, Weight: 3, Title: "reference data is consistent"},
		{ID: "schema.locks", Area: Schema, Weight: 2, Title: "no table is rewritten or locked for long"},
		{ID: "schema.read", Area: Schema, Weight: 2, Title: "every database could be read on both sides"},

		{ID: "configuration.secrets", Area: Configuration, Weight: 4, Key: true, Title: "the target has every secret that the source has"},
		{ID: "configuration.keys", Area: Configuration, Weight: 4, Title: "the target has every key that the source has"},
		{ID: "configuration.own", Area: Configuration, Weight: 3, Title: "secrets, hosts and volumes are the target's own"},
		{ID: "configuration.same", Area: Configuration, Weight: 2, Title: "what has to be equal is equal"},
		{ID: "configuration.runtime", Area: Configuration, Weight: 2, Title: "mounts, limits, networks and health checks are no weaker"},

		{ID: "flags.known", Area: Flags, Weight: 3, Title: "the target knows every flag that is on in the source"},
		{ID: "flags.tested", Area: Flags, Weight: 1, Title: "what is on at the target is on in the source"},

		{ID: "performance.latency", Area: Performance, Weight: 5, Title: "no endpoint is slower"},
		{ID: "performance.errors", Area: Performance, Weight: 3, Title: "no endpoint fails more often"},

		{ID: "readiness.source", Area: Readiness, Weight: 5, Key: true, Title: "every critical service of the source works"},
		{ID: "readiness.tests", Area: Readiness, Weight: 11, Title: "the tests of the source pass"},
		{ID: "readiness.rollback", Area: Readiness, Weight: 4, Key: true, Title: "a rollback is possible"},
		{ID: "readiness.plan", Area: Readiness, Weight: 2, Key: true, Title: "preflight lets the promotion begin"},
		{ID: "readiness.backup", Area: Readiness, Weight: 2, Key: true, Title: "a backup is possible"},
		{ID: "readiness.disk", Area: Readiness, Weight: 2, Key: true, Title: "the target's disk has room"},
		{ID: "readiness.target", Area: Readiness, Weight: 2, Title: "every service of the target works before the promotion"},
		{ID: "readiness.rehearsal", Area: Readiness, Weight: 2, Key: true, Title: "the migration works on a copy of the target's data"},
		{ID: "readiness.lock", Area: Readiness, Weight: 1, Key: true, Title: "no other promotion is under way or unfinished"},
		{ID: "readiness.fresh", Area: Readiness, Weight: 1, Title: "the tests are of what runs now"},
	}
}

// objectiveOf is one of Objectives by its ID.
func objectiveOf(id string) Objective {
	for _, o := range Objectives() {
		if o.ID == id {
			return o
		}
	}
	panic("compare: no objective " + id)
}
