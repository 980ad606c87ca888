/* The health of a disk in words; see storage_health() in storage.h. */
#ifndef VMB_STORAGE_HEALTH_H
#define VMB_STORAGE_HEALTH_H

#include "storage.h"

#define HEALTH_PAGE_SIZE 512

/* What the log page PAGE (SMART / Health Information) says. */
void health_describe(const uint8_t page[HEALTH_PAGE_SIZE], struct storage_health *ret_health);

#endif
