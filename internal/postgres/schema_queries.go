package postgres

import "strings"

// Each query yields two columns of text, the key and the definition of one object. They run under an empty search_path, so
// that every name outside pg_catalog is qualified.

// userSchema is true for n, a pg_namespace, when it is not the server's own.
const userSchema = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`

// notMember is true when the object is no member of an extension.
func notMember(class, oid string) string {
	return `NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = '` + class + `'::regclass AND x.objid = ` + oid + ` AND x.deptype = 'e')`
}

// acl is an access list in a fixed order, the default spelled out.
func acl(column, kind, owner string) string {
	return `' acl=' || coalesce((SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(coalesce(` + column + `, acldefault('` + kind + `', ` + owner + `))) g), '')`
}

func owner(column string) string { return `'owner=' || pg_get_userbyid(` + column + `)` }

// schemaQueries are the catalog reads for a server of that major version.
func schemaQueries(major int) []string {
	compression := "''"
	if major >= 14 {
		compression = "a.attcompression::text"
	}
	return []string{
		schemas, relations(), columns(compression), constraints, indexes, functions(), aggregates(), triggers, rules, sequences, types(),
		policies, extensions, statistics, eventTriggers, publications, foreignServers, defaultPrivileges, others16384(), comments,
	}
}

var schemas = `SELECT 'schema ' || quote_ident(n.nspname), ` + owner("n.nspowner") + ` || ` + acl("n.nspacl", "n", "n.nspowner") + `
	FROM pg_namespace n WHERE ` + userSchema + ` AND ` + notMember("pg_namespace", "n.oid")

const relationKind = `CASE c.relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'table ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
	WHEN 'f' THEN 'foreign table ' WHEN 'S' THEN 'sequence ' WHEN 'c' THEN 'type ' END`

func relations() string {
	return `SELECT ` + relationKind + ` || c.oid::regclass::text, ` + owner("c.relowner") + ` || ' kind=' || c.relkind::text || ' persistence=' || c.relpersistence::text
		|| ' rls=' || c.relrowsecurity || '/' || c.relforcerowsecurity || ' identity=' || c.relreplident::text || ' options=' || coalesce(c.reloptions::text, '')
		|| ' toast=' || coalesce((SELECT t.reloptions::text FROM pg_class t WHERE t.oid = c.reltoastrelid), '')
		|| ' am=' || coalesce((SELECT amname FROM pg_am WHERE oid = c.relam), '') || ' tablespace=' || coalesce((SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace), '')
		|| ' populated=' || c.relispopulated || ' type=' || CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::regtype::text END
		|| coalesce(' partition by ' || pg_get_partkeydef(c.oid), '') || coalesce(' partition ' || pg_get_expr(c.relpartbound, c.oid), '')
		|| coalesce(' inherits ' || (SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid), '')
		|| coalesce(' server ' || (SELECT s.srvname || ' ' || coalesce(f.ftoptions::text, '') FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid), '')
		|| CASE WHEN c.relkind IN ('v', 'm') THEN ' as ' || pg_get_viewdef(c.oid) ELSE '' END
		|| CASE WHEN c.relkind = 'S' THEN ` + acl("c.relacl", "s", "c.relowner") + ` WHEN c.relkind = 'c' THEN '' ELSE ` + acl("c.relacl", "r", "c.relowner") + ` END
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND ` + userSchema + ` AND ` + notMember("pg_class", "c.oid")
}

// attributeOptions leaves out what some builds of the server note there for themselves: Debian's 17.12 writes pg_attver, a
// position in the log, which differs for every database and which its pg_dump leaves out too.
const attributeOptions = `coalesce((SELECT array_agg(o)::text FROM unnest(a.attoptions) o WHERE o !~ '^pg_'), '')`

// A column's place counts only among the columns that are there: a restore closes the gaps of dropped ones.
func columns(compression string) string {
	return `SELECT 'column ' || c.oid::regclass::text || '.' || quote_ident(a.attname),
		row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) || ' ' || format_type(a.atttypid, a.atttypmod)
		|| CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
		|| CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text ELSE '' END
		|| coalesce(CASE WHEN a.attgenerated <> '' THEN ' generated ' || a.attgenerated::text || ' ' ELSE ' default ' END || pg_get_expr(d.adbin, d.adrelid), '')
		|| CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation::text ELSE '' END
		|| ' storage=' || a.attstorage::text || ' compression=' || ` + compression + ` || ' statistics=' || coalesce(nullif(a.attstattarget, -1)::text, '')
		|| ' options=' || ` + attributeOptions + ` || coalesce(a.attfdwoptions::text, '') || ' inherited=' || (a.attinhcount > 0) || ' local=' || a.attislocal
		|| CASE WHEN a.attacl IS NULL THEN '' ELSE ` + acl("a.attacl", "c", "c.relowner") + ` END
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND ` + userSchema + ` AND ` + notMember("pg_class", "c.oid")
}

var constraints = `SELECT 'constraint ' || CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE k.contypid::regtype::text END || '.' || quote_ident(k.conname),
		pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' (not validated)' END || ' inherited=' || (k.coninhcount > 0) || ' local=' || k.conislocal
	FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
	WHERE k.contype <> 't' AND ` + userSchema + ` AND ` + notMember("pg_class", "k.conrelid") + ` AND ` + notMember("pg_type", "k.contypid")

var indexes = `SELECT 'index ' || i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
		|| CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END || CASE WHEN i.indisready THEN '' ELSE ' NOT READY' END
		|| CASE WHEN i.indisclustered THEN ' clustered' ELSE '' END || CASE WHEN i.indisreplident THEN ' replica identity' ELSE '' END
		|| CASE WHEN i.indisprimary THEN ' primary' ELSE '' END || CASE WHEN i.indimmediate THEN '' ELSE ' deferrable' END
		|| ' tablespace=' || coalesce((SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace), '')
		|| coalesce(' attached to ' || (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = c.oid), '')
		|| coalesce(' statistics ' || (SELECT string_agg(a.attnum || ':' || a.attstattarget, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0), '')
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE ` + userSchema + ` AND ` + notMember("pg_class", "i.indrelid")

func functions() string {
	return `SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.oid::regprocedure::text,
		` + owner("p.proowner") + ` || ' ' || pg_get_functiondef(p.oid) || ` + acl("p.proacl", "f", "p.proowner") + `
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind <> 'a' AND ` + userSchema + ` AND ` + notMember("pg_proc", "p.oid")
}

// aggregateDefinition is an aggregate's definition, of p and its g.
const aggregateDefinition = `g.aggkind::text || ' state ' || g.aggtransfn || ' ' || g.aggtranstype::regtype
		|| ' space ' || g.aggtransspace || ' final ' || g.aggfinalfn || ' ' || g.aggfinalextra || g.aggfinalmodify::text || ' combine ' || g.aggcombinefn || ' serial ' || g.aggserialfn || ' ' || g.aggdeserialfn
		|| ' moving ' || g.aggmtransfn || ' ' || g.aggminvtransfn || ' ' || g.aggmfinalfn || ' initial ' || coalesce(g.agginitval, 'null') || ' ' || coalesce(g.aggminitval, 'null')
		|| ' sort ' || g.aggsortop::regoperator || ' parallel ' || p.proparallel::text || ' arguments ' || pg_get_function_arguments(p.oid)`

func aggregates() string {
	return `SELECT 'aggregate ' || p.oid::regprocedure::text, ` + owner("p.proowner") + ` || ' ' || ` + aggregateDefinition + ` || ` + acl("p.proacl", "f", "p.proowner") + `
	FROM pg_proc p JOIN pg_aggregate g ON g.aggfnoid = p.oid JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ` + userSchema + ` AND ` + notMember("pg_proc", "p.oid")
}

var triggers = `SELECT 'trigger ' || t.tgrelid::regclass::text || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid) || ' enabled=' || t.tgenabled::text
	FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE NOT t.tgisinternal AND ` + userSchema + ` AND ` + notMember("pg_trigger", "t.oid") + ` AND ` + notMember("pg_class", "c.oid")

var rules = `SELECT 'rule ' || r.ev_class::regclass::text || '.' || quote_ident(r.rulename), pg_get_ruledef(r.oid) || ' enabled=' || r.ev_enabled::text
	FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE r.rulename <> '_RETURN' AND ` + userSchema + ` AND ` + notMember("pg_class", "c.oid")

var sequences = `SELECT 'sequence ' || c.oid::regclass::text || ' as', format_type(s.seqtypid, NULL) || ' start=' || s.seqstart || ' by=' || s.seqincrement
		|| ' min=' || s.seqmin || ' max=' || s.seqmax || ' cache=' || s.seqcache || ' cycle=' || s.seqcycle
		|| coalesce(' of ' || (SELECT d.refobjid::regclass::text || '.' || quote_ident(a.attname) || ' ' || d.deptype::text FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
			WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1), '')
	FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + userSchema + ` AND ` + notMember("pg_class", "c.oid")

// Composite types are relations; the row types of tables and the array types come with what they belong to.
func types() string {
	return `SELECT 'type ' || t.oid::regtype::text, ` + owner("t.typowner") + ` || CASE t.typtype
		WHEN 'e' THEN ' enum (' || coalesce((SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
		WHEN 'd' THEN ' domain over ' || format_type(t.typbasetype, t.typtypmod) || CASE WHEN t.typnotnull THEN ' not null' ELSE '' END || coalesce(' default ' || t.typdefault, '')
			|| CASE WHEN t.typcollation <> 0 THEN ' collate ' || t.typcollation::regcollation::text ELSE '' END
		WHEN 'r' THEN ' range of ' || (SELECT r.rngsubtype::regtype || ' ' || r.rngcollation || ' ' || r.rngcanonical || ' ' || r.rngsubdiff FROM pg_range r WHERE r.rngtypid = t.oid)
		ELSE ' ' || t.typtype::text || ' ' || t.typinput || ' ' || t.typoutput || ' length=' || t.typlen || ' align=' || t.typalign::text || ' storage=' || t.typstorage::text || ' category=' || t.typcategory::text END
		|| ` + acl("t.typacl", "T", "t.typowner") + `
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE t.typtype IN ('e', 'd', 'r', 'b', 'p') AND NOT EXISTS (SELECT 1 FROM pg_type el WHERE el.typarray = t.oid) AND ` + userSchema + ` AND ` + notMember("pg_type", "t.oid")
}

var policies = `SELECT 'policy ' || p.polrelid::regclass::text || '.' || quote_ident(p.polname), p.polcmd::text || ' permissive=' || p.polpermissive
		|| ' to ' || (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END, ',' ORDER BY pg_get_userbyid(r)) FROM unnest(p.polroles) r)
		|| coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '') || coalesce(' check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
	FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + userSchema

const extensions = `SELECT 'extension ' || quote_ident(e.extname), e.extversion || ' in ' || quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`

var statistics = `SELECT 'statistics ' || quote_ident(n.nspname) || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid) || ' ' || ` + owner("s.stxowner") + `
	FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE ` + userSchema

var eventTriggers = `SELECT 'event trigger ' || quote_ident(e.evtname), e.evtevent || ' enabled=' || e.evtenabled::text || ' ' || e.evtfoid::regprocedure || ' tags=' || coalesce(e.evttags::text, '') || ' ' || ` + owner("e.evtowner") + `
	FROM pg_event_trigger e WHERE ` + notMember("pg_event_trigger", "e.oid")

const publicationDefinition = `'all=' || p.puballtables || ' ' || p.pubinsert || p.pubupdate || p.pubdelete || p.pubtruncate || ' root=' || p.pubviaroot
		|| ' tables=' || coalesce((SELECT string_agg(t.prrelid::regclass::text, ',' ORDER BY t.prrelid::regclass::text) FROM pg_publication_rel t WHERE t.prpubid = p.oid), '')`

var publications = `SELECT 'publication ' || quote_ident(p.pubname), ` + owner("p.pubowner") + ` || ' ' || ` + publicationDefinition + ` FROM pg_publication p`

// The options of a server or a user mapping can hold a password: only their hash is kept.
const foreignServers = `SELECT 'foreign server ' || quote_ident(s.srvname), w.fdwname || ' owner=' || pg_get_userbyid(s.srvowner) || ' version=' || coalesce(s.srvversion, '') || ' options=' || md5(coalesce(s.srvoptions::text, ''))
		|| ' users=' || coalesce((SELECT string_agg(m.usename || ':' || md5(coalesce(m.umoptions::text, '')), ',' ORDER BY m.usename) FROM pg_user_mappings m WHERE m.srvid = s.oid), '')
	FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw`

const defaultPrivileges = `SELECT 'default privileges ' || d.defaclobjtype::text || ' of ' || pg_get_userbyid(d.defaclrole) || coalesce(' in ' || quote_ident(n.nspname), ''),
		coalesce((SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(d.defaclacl) g), '')
	FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace`

// rareClasses are the kinds of objects that are only told by their identity.
var rareClasses = []string{
	"pg_cast", "pg_collation", "pg_conversion", "pg_operator", "pg_opclass", "pg_opfamily", "pg_am", "pg_language", "pg_transform",
	"pg_foreign_data_wrapper", "pg_ts_config", "pg_ts_dict", "pg_ts_parser", "pg_ts_template",
}

// others16384 names the rare kinds of objects that someone made after initdb, whose first OID is 16384, by identity alone.
func others16384() string {
	var parts []string
	for _, class := range rareClasses {
		parts = append(parts, `SELECT i.type || ' ' || i.identity, '' FROM `+class+` o, pg_identify_object('`+class+`'::regclass, o.oid, 0) i WHERE o.oid >= 16384 AND `+notMember(class, "o.oid"))
	}
	return strings.Join(parts, " UNION ALL ")
}

const comments = `SELECT 'comment on ' || i.type || ' ' || i.identity, d.description
	FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
	WHERE (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass AND d.objoid = to_regnamespace('public')) AND d.classoid <> 'pg_largeobject'::regclass AND i.identity IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')`
