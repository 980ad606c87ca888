/* See cmd/list_json.h. The texts are escaped already, so they are valid UTF-8, as jansson wants them. */
#include "list_json.h"

#include <errno.h>
#include <jansson.h>

/* Adds a text that is not empty. Without memory *OBJECT becomes NULL, as in all of these. */
static void add_text(json_t **object, const char *key, const char *text)
{
	if (*object && text[0] && json_object_set_new(*object, key, json_string(text)) < 0) {
		json_decref(*object);
		*object = NULL;
	}
}

static void add_value(json_t **object, const char *key, json_t *value)
{
	if (!*object) {
		json_decref(value);
	} else if (json_object_set_new(*object, key, value) < 0) {
		json_decref(*object);
		*object = NULL;
	}
}

static json_t *make_device(const struct menu_device *d)
{
	static const char *const kinds[] = {"block", "image"};
	static const char *const states[] = {"scanning", "ready", "failed", "skipped"};
	json_t *object = json_object();

	add_text(&object, "name", d->name);
	add_text(&object, "path", d->path);
	add_text(&object, "parent", d->parent);
	add_value(&object, "kind", json_string(kinds[d->kind]));
	add_value(&object, "state", json_string(states[d->state]));
	add_value(&object, "size", json_integer((json_int_t)d->size));
	add_value(&object, "logical_block", json_integer(d->logical_block));
	add_value(&object, "read_only", json_boolean(d->read_only));
	add_value(&object, "removable", json_boolean(d->removable));
	add_value(&object, "empty", json_boolean(d->empty));
	add_value(&object, "in_use", json_boolean(d->in_use));
	add_text(&object, "use", d->use);
	add_text(&object, "model", d->model);
	add_text(&object, "serial", d->serial);
	add_text(&object, "transport", d->transport);
	add_text(&object, "fstype", d->fstype);
	add_text(&object, "label", d->label);
	add_text(&object, "uuid", d->uuid);
	add_text(&object, "part_label", d->part_label);
	add_text(&object, "part_uuid", d->part_uuid);
	add_text(&object, "holds", d->holds);
	add_text(&object, "note", d->note);
	add_text(&object, "health", d->health);
	if (d->health[0])
		add_value(&object, "failing", json_boolean(d->failing));
	return object;
}

static json_t *make_firmware(const struct menu_firmware *f)
{
	json_t *object = json_object();

	add_text(&object, "device", f->device);
	add_text(&object, "path", f->path);
	add_value(&object, "size", json_integer((json_int_t)f->size));
	add_value(&object, "usable", json_boolean(f->usable));
	add_text(&object, "kind", f->kind);
	add_text(&object, "version", f->version);
	add_text(&object, "reason", f->reason);
	add_text(&object, "sha256", f->sha256);
	return object;
}

static json_t *make_lists(struct discovery *discovery)
{
	json_t *object = json_object(), *devices = json_array(), *firmwares = json_array();
	const struct menu_firmware *f;
	const struct menu_device *d;
	size_t count;
	int rc = 0;

	d = discovery_devices(discovery, &count);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = json_array_append_new(devices, make_device(&d[i]));
	f = discovery_firmwares(discovery, &count);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = json_array_append_new(firmwares, make_firmware(&f[i]));
	add_value(&object, "devices", devices);
	add_value(&object, "firmware", firmwares);
	if (rc < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *make_pci(const struct menu_pci *p)
{
	static const char *const verdicts[] = {"free", "ask", "refused", "bridge"};
	json_t *object = json_object();
	char id[16];

	add_text(&object, "address", p->address);
	add_text(&object, "class", p->class_name);
	add_text(&object, "name", p->name);
	snprintf(id, sizeof(id), "%04x:%04x", p->vendor, p->device);
	add_text(&object, "id", id);
	snprintf(id, sizeof(id), "%06x", p->class_code);
	add_text(&object, "class_code", id);
	add_text(&object, "driver", p->driver);
	if (p->group >= 0)
		add_value(&object, "iommu_group", json_integer(p->group));
	if (p->numa >= 0)
		add_value(&object, "numa_node", json_integer(p->numa));
	add_text(&object, "link", p->link);
	add_value(&object, "rom", json_boolean(p->rom));
	add_text(&object, "usb", p->usb);
	add_text(&object, "serial", p->serial);
	add_text(&object, "physical_function", p->physfn);
	add_text(&object, "makes", p->makes);
	add_value(&object, "verdict", json_string(verdicts[p->verdict]));
	add_text(&object, "use", p->use);
	return object;
}

static json_t *make_pcis(const struct menu_pci_state *state, const struct menu_pci *pcis,
			 size_t count)
{
	json_t *object = json_object(), *devices = json_array();
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = json_array_append_new(devices, make_pci(&pcis[i]));
	add_value(&object, "passthrough", json_boolean(state->usable));
	add_text(&object, "text", state->text);
	add_value(&object, "pci", devices);
	if (rc < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* Takes LISTS over. */
static int print(json_t *lists, FILE *out, struct vmb_err *err)
{
	int rc;

	if (!lists)
		return vmb_err_set(err, ENOMEM, "Not enough memory to print the list.");
	rc = json_dumpf(lists, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(lists);
	if (rc < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
		return vmb_err_set(err, EIO, "The list cannot be written.");
	return 0;
}

int list_print_pci_json(const struct menu_pci_state *state, const struct menu_pci *pcis,
			size_t count, FILE *out, struct vmb_err *err)
{
	return print(make_pcis(state, pcis, count), out, err);
}

int list_print_json(struct discovery *discovery, FILE *out, struct vmb_err *err)
{
	return print(make_lists(discovery), out, err);
}
