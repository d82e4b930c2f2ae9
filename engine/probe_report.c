// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: the report. One row is one line of the table, with those that its reason and
 * the command take, or one member of its section's object in the JSON:
 *
 *   { SECTION: { NAME: { "ok": true|false|null, FIELD: ..., "reason": "...", "command": "..." } } }
 *
 * "ok" is there where the row answers a question, and null where that cannot be told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "probe.h"

#define NAME_WIDTH	26
/* where the text of a row begins: after the name and the answer */
#define INDENT		(2 + NAME_WIDTH + 1 + 3 + 2)

static const char *const table_words[] = { "", "yes", "no", "?" };
static const char *const json_words[] = { NULL, "true", "false", "null" };

void probe_row(struct probe_row *row, const char *fmt, ...)
{
	va_list ap;

	*row = (struct probe_row){ 0 };
	va_start(ap, fmt);
	vsnprintf(row->name, sizeof(row->name), fmt, ap);
	va_end(ap);
}

void probe_says(struct probe_row *row, enum probe_answer answer, const char *fmt, ...)
{
	va_list ap;

	row->answer = answer;
	if (!fmt)
		return;
	va_start(ap, fmt);
	vsnprintf(row->reason, sizeof(row->reason), fmt, ap);
	va_end(ap);
}

void probe_try(struct probe_row *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(row->command, sizeof(row->command), fmt, ap);
	va_end(ap);
}

static void add(struct probe_row *row, const char *key, const char *value, bool string)
{
	struct probe_field *field = &row->fields[row->nr];

	if (row->nr == sizeof(row->fields) / sizeof(row->fields[0]))
		return;
	field->key = key;
	field->string = string;
	snprintf(field->value, sizeof(field->value), "%s", value);
	row->nr++;
}

void probe_text(struct probe_row *row, const char *key, const char *text)
{
	if (*text)
		add(row, key, text, true);
}

void probe_number(struct probe_row *row, const char *key, long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", number);
	if (number >= 0)
		add(row, key, text, false);
}

void probe_bool(struct probe_row *row, const char *key, bool yes)
{
	add(row, key, yes ? "true" : "false", false);
}

static void end_section(const struct probe *p)
{
	if (!p->sections)
		return;
	if (p->json)
		printf("\n},\n");
	else
		printf("%s\n", p->rows ? "" : "  none\n");
}

void probe_section(struct probe *p, const char *name)
{
	end_section(p);
	if (p->json)
		printf("%s\"%s\": {", p->sections ? "" : "{\n", name);
	else
		printf("%s\n", name);
	p->sections++;
	p->rows = 0;
}

/* A false is told where it matters: by the answer and its reason. */
static bool in_table(const struct probe_field *field)
{
	return field->string || strcmp(field->value, "false");
}

static void write_line(const struct probe_row *row)
{
	bool first = true;

	printf("  %-*s %-3s", NAME_WIDTH, row->name, table_words[row->answer]);
	for (unsigned int i = 0; i < row->nr; i++) {
		const struct probe_field *field = &row->fields[i];

		if (!in_table(field))
			continue;
		printf("%s", first ? "  " : ", ");
		/* where the row's name says it all */
		if (strcmp(field->key, "value"))
			printf("%s ", field->key);
		printf("%s", field->value);
		first = false;
	}
	if (row->reason[0])
		printf("%s%*s%s", first ? "" : "\n", first ? 2 : INDENT, "", row->reason);
	if (row->command[0])
		printf("\n%*s-> %s", INDENT, "", row->command);
	putchar('\n');
}

static void put_member(const char *key, bool first)
{
	printf("%s", first ? "" : ", ");
	json_string(stdout, key);
	printf(": ");
}

static void write_json(const struct probe_row *row)
{
	bool first = true;

	json_string(stdout, row->name);
	printf(": {");
	if (json_words[row->answer]) {
		put_member("ok", true);
		printf("%s", json_words[row->answer]);
		first = false;
	}
	for (unsigned int i = 0; i < row->nr; i++) {
		const struct probe_field *field = &row->fields[i];

		put_member(field->key, first);
		if (field->string)
			json_string(stdout, field->value);
		else
			printf("%s", field->value);
		first = false;
	}
	if (row->reason[0]) {
		put_member("reason", first);
		json_string(stdout, row->reason);
		first = false;
	}
	if (row->command[0]) {
		put_member("command", first);
		json_string(stdout, row->command);
	}
	printf("}");
}

void probe_write(struct probe *p, const struct probe_row *row)
{
	if (p->json) {
		printf("%s\n  ", p->rows ? "," : "");
		write_json(row);
	} else {
		write_line(row);
	}
	p->rows++;
}

void probe_end(struct probe *p)
{
	if (p->json)
		printf("\n}\n}\n");
}

void probe_needed(struct probe *p, enum probe_need need, const struct probe_row *row)
{
	struct probe_met *met = &p->needs[need];

	if (row->answer == PROBE_YES)
		met->met = true;
	if (met->reason[0] || row->answer == PROBE_YES)
		return;
	snprintf(met->reason, sizeof(met->reason), "%s", row->reason);
	snprintf(met->command, sizeof(met->command), "%s", row->command);
}
