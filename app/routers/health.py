"""Whether we live, whether we are ready, and our metrics."""

import os
from collections.abc import Iterable
from dataclasses import asdict

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.routers.deps import AppSettings, Now, Sessions
from app.services import readiness
from app.services.readiness import Figures, StoreProbe

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "不能工作"}})
async def readyz(request: Request, sessions: Sessions, now: Now) -> Response:
    """Whether database, schema, queue and photo store are fit for work: 200 or 503."""
    found = await readiness.check(sessions, request.state.store, _probe_of(request), now=now)
    body = {"status": "ready" if found.is_ready else "not-ready", **asdict(found)}
    return Response(
        orjson.dumps(body),
        status_code=200 if found.is_ready else 503,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@router.get("/metrics", include_in_schema=False)
async def metrics(sessions: Sessions, settings: AppSettings, now: Now) -> Response:
    """Prometheus' text format: this process's counters, and the whole system's gauges.

    With `PROMETHEUS_MULTIPROC_DIR` set the counters are those of all processes together.
    """
    figures = CollectorRegistry()
    figures.register(_Gauges(await readiness.figures(sessions, settings, now=now)))
    counters = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counters = CollectorRegistry()
        MultiProcessCollector(counters)  # type: ignore[no-untyped-call]  # untyped upstream
    return Response(
        generate_latest(counters) + generate_latest(figures), media_type=CONTENT_TYPE_LATEST
    )


def _probe_of(request: Request) -> StoreProbe:
    """One for the application: it remembers the store's last answer."""
    app = request.app
    if not hasattr(app.state, "store_probe"):
        app.state.store_probe = StoreProbe()
    probe: StoreProbe = app.state.store_probe
    return probe


class _Gauges(Collector):
    """What one scrape has read from the database; only `xunhe_database_up` when it could not."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """The gauges of this scrape."""
        found = self._figures
        yield _gauge("xunhe_database_up", "The database answers", float(found is not None))
        if found is None:
            return
        yield _gauge("xunhe_queue_due", "Jobs that could run now", found.due)
        yield _gauge("xunhe_queue_lag_seconds", "How long the oldest of them waits", found.lag_s)
        yield _gauge("xunhe_queue_failed", "Jobs given up", found.failed)
        yield _gauge("xunhe_chat_media_failed", "Not to be had, last 4 days", found.media_failed)
        yield _gauge("xunhe_chat_media_late", "Waiting for half a day", found.media_late)
        if found.worker_silent_s is not None:
            yield _gauge(
                "xunhe_worker_silent_seconds", "Since a worker's last sign", found.worker_silent_s
            )
        if found.backup_age_s is not None:
            yield _gauge("xunhe_backup_age_seconds", "Since the last backup", found.backup_age_s)
        yield _gauge("xunhe_calls_open", "People to be telephoned", found.calls_open)
        yield _gauge("xunhe_chain_unsealed", "Events without a place in the chain", found.unsealed)
        if found.seal_age_s is not None:
            yield _gauge("xunhe_chain_seal_age_seconds", "Since the last seal", found.seal_age_s)
        reminders = GaugeMetricFamily(
            "xunhe_reminders", "On their way; not known to have arrived, last 7 days",
            labels=["state"],
        )  # fmt: skip
        for state, count in found.reminders.items():
            reminders.add_metric([state], count)
        yield reminders
        circuits = GaugeMetricFamily(
            "xunhe_wechat_circuits_open", "Calls switched off now", labels=["app", "path"]
        )
        for (app, path), count in sorted(found.circuits.items()):
            circuits.add_metric([app, path], count)
        yield circuits
        standing = GaugeMetricFamily("xunhe_alarms", "Alarms that stand now", labels=["kind"])
        for kind, count in sorted(found.alarms.items()):
            standing.add_metric([kind], count)
        yield standing


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)
