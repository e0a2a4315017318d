"""A plan for people."""

from itertools import groupby
from typing import Final

from rich.console import Console

from cli.plan.plan import Plan
from cli.tables import print_record, print_rows

_ENDED_BY: Final = {
    "redis": "the busiest Redis server",
    "max_sessions": "the places of all its gateways (max_sessions)",
}


def print_plan(plan: Plan) -> None:
    """The tables of a plan, with what they rest on."""
    console = Console(soft_wrap=True, highlight=False)
    on, clients = plan.gpu or "CPUs", plan.clients
    console.print(f"[bold]{plan.sessions} sessions[/] of '{plan.avatar}' on {on}, output {plan.output}\n")
    ended_by = _ENDED_BY.get(plan.shard_ended_by, f"the most {plan.shard_ended_by} pods that autoscaling allows")
    print_record(
        {
            "shards": f"{plan.shards} of {plan.sessions_per_shard} sessions, {plan.speakers_per_shard:g} speaking",
            "a shard ends at": ended_by,
            "Redis, a shard": f"{plan.redis.nodes_per_shard} node(s), {plan.redis.busy:.0%} busy, "
            f"maxmemory {plan.redis.maxmemory_mb:.0f} MB each; {plan.redis.worst_mb:.0f} MB if every stage stood still",
            "its network": f"{plan.redis.in_mb_per_s:g} MB/s in, {plan.redis.out_mb_per_s:g} MB/s out",
            "all clients": f"{clients.from_clients_mbit_per_s:,.0f} Mbit/s in, "
            f"{clients.to_clients_mbit_per_s:,.0f} Mbit/s out, {clients.picture_bytes / 1000:.1f} kB a picture",
        }
    )
    console.print()
    print_rows(
        [
            {
                "stage": pods.stage,
                "pods a shard": pods.per_shard,
                "pods": pods.total,
                "busy": f"{pods.busy:.0%}",
                "cores used": f"{pods.cores:g}",
                "MB a pod": f"{pods.resident_mb:g}",
                "autoscaling": f"{pods.autoscaling_min} to {pods.autoscaling_max}",
            }
            for pods in plan.pods
        ],
        "",
    )
    for of, drivers in groupby(plan.drivers, key=lambda driver: driver.of):
        console.print()
        print_rows([{of: each.what, "": f"{each.share:.0%}", "why": each.why} for each in drivers], "")
    console.print(
        f"\nMeasured {plan.measured_on} on {plan.machine} by `{plan.command}`. Planned with a headroom of "
        f"{plan.headroom:g}, {plan.speaking:.0%} speaking, {plan.network_ms:g} ms a round trip to Redis.",
        style="dim",
    )
