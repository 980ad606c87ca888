/* See include/ini_keys.h. */
#include "ini_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

struct parser {
	const struct ini_keys *table;
	const struct ini_report *report;
	void *dst;
	struct ini_problem *problem;
	unsigned int seen; /* bits of the table's rows */
};

static void tell(const struct parser *p, int line, bool error, const char *text)
{
	if (p->report)
		p->report->tell(p->report->ctx, line, error, text);
}

static void set_problem(struct parser *p, int line, const char *text)
{
	if (!p->problem || p->problem->line)
		return;
	p->problem->line = line;
	text_copy(p->problem->text, sizeof(p->problem->text), text);
}

/* "default, timeout or menu" */
static void list_names(const struct ini_keys *table, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < table->count && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s",
				      i == 0		     ? ""
				      : i + 1 < table->count ? ", "
							     : " or ",
				      table->keys[i].name);
}

static void tell_unknown(const struct parser *p, int line, const char *section, const char *name)
{
	char names[400];
	struct vmb_err err;

	list_names(p->table, names, sizeof(names));
	if (section[0])
		vmb_err_set(&err, EINVAL, "[%s] %s is not known here; %s has no sections.", section,
			    name, p->table->file);
	else
		vmb_err_set(&err, EINVAL, "\"%s\" is not known; expected %s.", name, names);
	tell(p, line, false, err.text);
}

static void on_value(void *ctx, int line, const char *section, const char *name, const char *value)
{
	struct parser *p = ctx;
	const struct ini_key *key = p->table->keys;
	struct vmb_err err;
	size_t i = 0;

	while (i < p->table->count && strcmp(key[i].name, name) != 0)
		i++;
	if (section[0] || i == p->table->count) {
		tell_unknown(p, line, section, name);
		return;
	}
	if (key[i].read(p->dst, value, &err) < 0) {
		tell(p, line, true, err.text);
		if (key[i].decides)
			set_problem(p, line, err.text);
		return;
	}
	if (!key[i].repeats && (p->seen & 1u << i)) {
		vmb_err_set(&err, EINVAL, "\"%s\" was set before; this line counts.", name);
		tell(p, line, false, err.text);
	}
	p->seen |= 1u << i;
}

static void on_fault(void *ctx, int line, const char *text)
{
	tell(ctx, line, true, text);
	set_problem(ctx, line, text);
}

int ini_keys_parse(const struct ini_keys *table, const char *text, size_t n,
		   const struct ini_report *report, void *dst, struct ini_problem *problem)
{
	static const struct ini_handler handler = {.value = on_value, .fault = on_fault};
	struct parser p = {.table = table, .report = report, .dst = dst, .problem = problem};

	return ini_file_parse(text, n, &handler, &p);
}

char *ini_keys_render(const struct ini_keys *table, const char *old, size_t n,
		      const struct ini_pair *pairs, size_t count, size_t *ret_n,
		      struct vmb_err *err)
{
	const char *known[INI_MAX_KEYS + 1] = {NULL};
	char *text;

	for (size_t i = 0; i < count; i++) {
		char what[24];

		snprintf(what, sizeof(what), "\"%s\"", pairs[i].name);
		if (ini_file_check_value(what, pairs[i].value, err) < 0)
			return NULL;
	}
	for (size_t i = 0; i < table->count; i++)
		known[i] = table->keys[i].name;
	text = ini_file_rewrite(old, n, known, pairs, count, ret_n);
	if (!text)
		vmb_err_set(err, ENOMEM, "Not enough memory to save %s.", table->file);
	return text;
}
