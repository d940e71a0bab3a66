/* What servers on one database tell each other: a row per kind of news in news.c. */
#pragma once
#include "server/server.h"

void news_start(struct server *s);
void news_stop(struct server *s);
