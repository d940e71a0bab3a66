/* What a run is made of and what waits for what: for timelines. */
#pragma once
#include "server/http/request.h"

handler_fn flow_runs_graph, flow_runs_graph_v2;

extern const struct resource dependency_resource;
