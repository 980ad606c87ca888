/* See daemon/settings.h. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "loop.h"
#include "text.h"
#include "trust.h"

#define FILE_NAME "vmboot.conf"
#define WRONG_MS  1000

struct settings {
	struct store *store;
	struct settings_file file;
	uint32_t problems;
	uint64_t wrong_at_ms; /* of the last wrong password */
};

int settings_create(struct store *store, struct settings **ret_settings)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = store;
	settings_file_init(&s->file);
	*ret_settings = s;
	return 0;
}

void settings_destroy(struct settings *s)
{
	free(s);
}

static void on_tell(void *ctx, int line, bool error, const char *text)
{
	struct settings *s = ctx;
	char path[VM_PATH_SIZE];

	(void)error;
	s->problems++;
	log_warn("%s:%d: %s", store_path(s->store, FILE_NAME, path, sizeof(path)), line, text);
}

void settings_load(struct settings *s)
{
	const struct ini_report report = {.tell = on_tell, .ctx = s};
	const struct store_file *file = store_find(s->store, FILE_NAME);

	s->problems = 0;
	if (!file)
		settings_file_init(&s->file);
	else if (settings_file_parse(file->text, file->size, &report, &s->file) < 0)
		log_error("not enough memory to read the settings");
}

const struct settings_file *settings_get(const struct settings *s)
{
	return &s->file;
}

void settings_describe(const struct settings *s, struct menu_settings *ret)
{
	*ret = s->file.values;
	text_escape(ret->theme, sizeof(ret->theme), s->file.values.theme,
		    strlen(s->file.values.theme));
	text_escape(ret->images, sizeof(ret->images), s->file.values.images,
		    strlen(s->file.values.images));
	ret->problem_count = s->problems;
	store_describe(s->store, ret);
}

/* Writes FILE, and makes it ours unless that is not possible at all. */
static int put(struct settings *s, const struct settings_file *file, struct vmb_err *err)
{
	const struct store_file *old = store_find(s->store, FILE_NAME);
	size_t n;
	char *text;
	int rc;

	text = settings_file_render(file, old ? old->text : "", old ? old->size : 0, &n, err);
	if (!text)
		return -EINVAL;
	rc = store_put(s->store, FILE_NAME, text, n, err);
	free(text);
	if (rc >= 0)
		s->file = *file;
	return rc;
}

int settings_save(struct settings *s, const struct menu_settings *values, struct vmb_err *err)
{
	struct settings_file file = s->file;
	int rc = settings_file_check(values, err);

	if (rc < 0)
		return rc;
	file.values = *values;
	file.values.has_password = s->file.values.has_password;
	return put(s, &file, err);
}

int settings_set_default(struct settings *s, const char *id, struct vmb_err *err)
{
	struct settings_file file = s->file;

	text_copy(file.default_id, sizeof(file.default_id), id);
	return put(s, &file, err);
}

void settings_trust(const struct settings *s, struct launch_trust *ret)
{
	static const enum launch_policy policies[] = {
		[MENU_TRUST_OFF] = LAUNCH_TRUST_OFF,
		[MENU_TRUST_WARN] = LAUNCH_TRUST_WARN,
		[MENU_TRUST_REQUIRE] = LAUNCH_TRUST_REQUIRE,
	};

	*ret = (struct launch_trust){.policy = policies[s->file.values.trust]};
	for (unsigned int i = 0; i < s->file.key_count; i++)
		if (trust_parse_key(s->file.keys[i], &ret->keys[ret->count]) == 0)
			ret->count++;
}

int settings_check_password(struct settings *s, const char *password, struct vmb_err *err)
{
	uint64_t now = loop_now_ms();

	if (!s->file.values.has_password)
		return 0;
	if (!s->file.password[0])
		return vmb_err_set(err, EACCES,
				   "The password in vmboot.conf is no hash, so none is right. Mend the "
				   "file.");
	if (s->wrong_at_ms && now - s->wrong_at_ms < WRONG_MS)
		return vmb_err_set(err, EACCES, "Wrong password a moment ago. Try again.");
	if (trust_check_password(s->file.password, password) == 0)
		return 0;
	s->wrong_at_ms = loop_now_ms();
	return vmb_err_set(err, EACCES, "Wrong password.");
}
