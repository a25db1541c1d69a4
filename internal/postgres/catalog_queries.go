package postgres

import "fmt"

// The queries of a comparison read the catalog's rows as they are and leave joining to the program: that is several times
// faster than asking the server to put each definition together, and leaves its deparser what only that can do.

// ownSchemas are the numbers of the schemas that are not the server's own.
const ownSchemas = `(SELECT n.oid FROM pg_namespace n WHERE ` + userSchema + `)`

// membersQuery lists what belongs to an extension, and the functions and casts that come with a range type.
const membersQuery = `SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
	UNION ALL SELECT classid, objid FROM pg_depend WHERE deptype = 'i' AND classid IN ('pg_proc'::regclass, 'pg_cast'::regclass) AND refclassid = 'pg_type'::regclass`

func classesQuery() string {
	return `SELECT c.oid, c.relnamespace, c.relname, quote_ident(c.relname), c.relkind, c.relpersistence, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
		c.reloptions::text, CASE WHEN c.reltoastrelid <> 0 THEN (SELECT t.reloptions::text FROM pg_class t WHERE t.oid = c.reltoastrelid) END,
		(SELECT amname FROM pg_am WHERE oid = c.relam AND amname <> 'heap'), (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
		CASE WHEN c.reloftype <> 0 THEN c.reloftype::regtype::text END,
		CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, CASE WHEN c.relispartition AND c.relkind IN ('r', 'p', 'f') THEN pg_get_expr(c.relpartbound, c.oid) END,
		CASE WHEN c.relkind = 'f' THEN (SELECT s.srvname || coalesce(' ' || f.ftoptions::text, '') FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) END,
		CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END
	FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c', 'i', 'I') AND c.relpersistence <> 't' AND c.relnamespace IN ` + ownSchemas
}

// columnsOf are the relations whose columns are read.
const columnsOf = `c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND c.relnamespace IN ` + ownSchemas

const formatsQuery = `SELECT q.atttypid, q.atttypmod, format_type(q.atttypid, q.atttypmod) FROM (SELECT DISTINCT a.atttypid, a.atttypmod
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND ` + columnsOf + `) q`

func attributesQuery(major int) string {
	compression := "''"
	if major >= 14 {
		compression = "a.attcompression"
	}
	return `SELECT a.attrelid, a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated,
		CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END, CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END, ` + compression + `,
		nullif(a.attstattarget, -1), a.attoptions::text, a.attfdwoptions::text, a.attinhcount > 0, a.attislocal
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid WHERE a.attnum > 0 AND NOT a.attisdropped AND ` + columnsOf + ` ORDER BY a.attrelid, a.attnum`
}

const defaultsQuery = `SELECT d.adrelid, d.adnum, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid WHERE ` + columnsOf

// PostgreSQL 18 keeps NOT NULL as a constraint too; the column says it already.
const constraintsQuery = `SELECT k.oid, k.conrelid, k.contypid, quote_ident(k.conname), k.contype, k.convalidated, k.conindid, k.conkey, k.confrelid, k.confkey,
		k.coninhcount > 0, k.conislocal, k.conparentid <> 0, pg_get_constraintdef(k.oid)
	FROM pg_constraint k WHERE k.contype NOT IN ('t', 'n') AND k.connamespace IN ` + ownSchemas

func indexesQuery(major int) string {
	distinct := "true"
	if major >= 15 {
		distinct = "NOT i.indnullsnotdistinct"
	}
	return `SELECT i.indexrelid, i.indrelid, i.indisunique, i.indisvalid, i.indisready, i.indisclustered, i.indisreplident, ` + distinct + `,
		CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid) END,
		CASE WHEN k.oid IS NULL AND i.indisunique THEN array_to_json(ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnkeyatts) n))::text END,
		CASE WHEN k.oid IS NULL THEN pg_get_expr(i.indpred, i.indrelid) END,
		(SELECT string_agg(a.attnum || ':' || a.attstattarget, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE i.indexprs IS NOT NULL AND a.attrelid = i.indexrelid AND a.attstattarget >= 0)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
	WHERE c.relpersistence <> 't' AND c.relnamespace IN ` + ownSchemas
}

const routinesQuery = `SELECT p.oid, p.oid::regprocedure::text, p.prokind, p.proowner, pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.prokind <> 'a' AND p.pronamespace IN ` + ownSchemas

const aggregatesQuery = `SELECT p.oid, p.oid::regprocedure::text, p.prokind, p.proowner, ` + aggregateDefinition + `
	FROM pg_proc p JOIN pg_aggregate g ON g.aggfnoid = p.oid WHERE p.pronamespace IN ` + ownSchemas

func triggersQuery(major int) string {
	own := ""
	if major >= 13 {
		own = " AND t.tgparentid = 0" // those of a partition come with the partitioned table's
	}
	return `SELECT t.oid, t.tgrelid, quote_ident(t.tgname), t.tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
		WHERE NOT t.tgisinternal` + own + ` AND c.relnamespace IN ` + ownSchemas
}

const rulesQuery = `SELECT r.oid, r.ev_class, quote_ident(r.rulename), r.ev_enabled, pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
	WHERE r.rulename <> '_RETURN' AND c.relnamespace IN ` + ownSchemas

const sequencesQuery = `SELECT s.seqrelid, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
		d.refobjid, d.refobjsubid, d.deptype
	FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
		LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
	WHERE c.relpersistence <> 't' AND c.relnamespace IN ` + ownSchemas

const typesQuery = `SELECT t.oid, t.oid::regtype::text, t.typtype, t.typowner, t.typrelid,
		CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END, t.typnotnull, t.typdefault, CASE WHEN t.typtype = 'd' AND t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype) THEN t.typcollation::regcollation::text END,
		CASE t.typtype WHEN 'r' THEN (SELECT r.rngsubtype::regtype || ' ' || r.rngcollation::regcollation || ' ' || r.rngcanonical || ' ' || r.rngsubdiff FROM pg_range r WHERE r.rngtypid = t.oid)
			WHEN 'b' THEN t.typinput || ' ' || t.typoutput || ' length=' || t.typlen || ' align=' || t.typalign::text || ' storage=' || t.typstorage::text || ' category=' || t.typcategory::text END
	FROM pg_type t WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'b' AND NOT EXISTS (SELECT 1 FROM pg_type el WHERE el.typarray = t.oid)
			OR t.typtype = 'c' AND EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
		AND t.typnamespace IN ` + ownSchemas

const labelsQuery = `SELECT e.enumtypid, e.enumlabel FROM pg_enum e ORDER BY e.enumtypid, e.enumsortorder`

const policiesQuery = `SELECT p.oid, p.polrelid, quote_ident(p.polname), p.polcmd, p.polpermissive, p.polroles, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
	FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace IN ` + ownSchemas

const extensionsQuery = `SELECT e.oid, quote_ident(e.extname), e.extversion, quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`

const statisticsQuery = `SELECT s.oid, s.stxrelid, quote_ident(n.nspname) || '.' || quote_ident(s.stxname), s.stxowner, pg_get_statisticsobjdef(s.oid)
	FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxnamespace IN ` + ownSchemas

const eventTriggersQuery = `SELECT e.oid, quote_ident(e.evtname), e.evtowner, e.evtevent || ' ' || e.evtfoid::regprocedure || coalesce(' ' || e.evttags::text, '') || ' enabled=' || e.evtenabled::text FROM pg_event_trigger e`

func publicationsQuery() string {
	return `SELECT p.oid, quote_ident(p.pubname), p.pubowner, ` + publicationDefinition + ` FROM pg_publication p`
}

// foreignServersQuery keeps only a hash of the options, which may hold a password.
const foreignServersQuery = `SELECT s.oid, quote_ident(s.srvname), s.srvowner, w.fdwname || coalesce(' version ' || s.srvversion, '') || coalesce(' options ' || md5(s.srvoptions::text), '')
	FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw`

const commentsQuery = `SELECT d.classoid, d.objoid, d.objsubid, d.description FROM pg_description d
	WHERE d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass AND d.objoid = to_regnamespace('public')`

// grantsQuery yields what an access list gives and takes beyond the default one of its kind, so that a list that was
// spelled out and one that never was are equal, and privileges that a newer server knows do not count.
func grantsQuery() string {
	var q string
	for i, c := range []struct{ class, list, kind, owner, from string }{
		{"pg_class", "c.relacl", "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\"", "c.relowner", "pg_class c WHERE c.relacl IS NOT NULL AND c.relpersistence <> 't' AND c.relnamespace IN " + ownSchemas},
		{"pg_namespace", "n.nspacl", "'n'", "n.nspowner", "pg_namespace n WHERE n.nspacl IS NOT NULL AND " + userSchema},
		{"pg_proc", "p.proacl", "'f'", "p.proowner", "pg_proc p WHERE p.proacl IS NOT NULL AND p.pronamespace IN " + ownSchemas},
		{"pg_type", "t.typacl", "'T'", "t.typowner", "pg_type t WHERE t.typacl IS NOT NULL AND t.typnamespace IN " + ownSchemas},
		{"pg_database", "d.datacl", "'d'", "d.datdba", "pg_database d WHERE d.datacl IS NOT NULL AND d.datname = current_database()"},
		{"pg_foreign_server", "s.srvacl", "'S'", "s.srvowner", "pg_foreign_server s WHERE s.srvacl IS NOT NULL"},
		{"pg_default_acl", "d.defaclacl", "CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END", "d.defaclrole", "pg_default_acl d"},
	} {
		if i > 0 {
			q += " UNION ALL "
		}
		oid, usual := c.list[:1]+".oid", fmt.Sprintf("acldefault(%s, %s)", c.kind, c.owner)
		if c.class == "pg_default_acl" { // what is set for one schema adds to what is set for all
			usual = "CASE WHEN d.defaclnamespace = 0 THEN " + usual + " ELSE '{}' END"
		}
		q += fmt.Sprintf(`SELECT '%s'::regclass::oid AS class, %s AS oid, 0 AS sub, %s AS list, %s AS usual FROM %s`, c.class, oid, c.list, usual, c.from)
	}
	q += ` UNION ALL SELECT 'pg_class'::regclass::oid, a.attrelid, a.attnum, a.attacl, '{}'::aclitem[] FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND ` + columnsOf
	const explode = `SELECT grantee, privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END AS privilege FROM aclexplode(%s)`
	list, usual := fmt.Sprintf(explode, "l.list"), fmt.Sprintf(explode, "l.usual")
	return `SELECT l.class, l.oid, l.sub, x.sign, x.grantee, string_agg(x.privilege, ', ' ORDER BY x.privilege COLLATE "C") FROM (` + q + `) l CROSS JOIN LATERAL (
		SELECT '+' AS sign, p.* FROM (` + list + ` EXCEPT ` + usual + `) p UNION ALL SELECT '-', p.* FROM (` + usual + ` EXCEPT ` + list + `) p) x GROUP BY 1, 2, 3, 4, 5`
}

const defaultPrivilegesQuery = `SELECT d.oid, d.defaclrole, d.defaclobjtype, quote_ident(n.nspname) FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace`

func rareQuery() string {
	var q string
	for i, class := range rareClasses {
		if i > 0 {
			q += " UNION ALL "
		}
		q += `SELECT '` + class + `'::regclass::oid, o.oid, i.type, i.identity FROM ` + class + ` o, pg_identify_object('` + class + `'::regclass, o.oid, 0) i WHERE o.oid >= 16384`
	}
	return q
}
