/* See ui/list.h. */
#include "ui/list.h"

void list_fit(struct list *list, int count, int height)
{
	list->count = count < 0 ? 0 : count;
	list->height = height < 1 ? 1 : height;
	if (list->cursor >= list->count)
		list->cursor = list->count - 1;
	if (list->cursor < 0)
		list->cursor = 0;
	if (list->top > list->count - list->height)
		list->top = list->count - list->height;
	if (list->top < 0)
		list->top = 0;
	if (list->cursor < list->top)
		list->top = list->cursor;
	if (list->cursor >= list->top + list->height)
		list->top = list->cursor - list->height + 1;
}

bool list_key(struct list *list, const struct ui_key *key)
{
	int page = list->height > 1 ? list->height - 1 : 1;

	if (key->alt)
		return false;
	switch (key->code) {
	case UI_KEY_UP:
	case 'k':
	case UI_KEY_CTRL('P'): list->cursor--; break;
	case UI_KEY_DOWN:
	case 'j':
	case UI_KEY_CTRL('N'): list->cursor++; break;
	case UI_KEY_PAGE_UP:
		list->cursor -= page;
		list->top -= page;
		break;
	case UI_KEY_PAGE_DOWN:
		list->cursor += page;
		list->top += page;
		break;
	case UI_KEY_HOME: list->cursor = 0; break;
	case UI_KEY_END: list->cursor = list->count - 1; break;
	default: return false;
	}
	list_fit(list, list->count, list->height);
	return true;
}
