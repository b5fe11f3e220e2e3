"""A folder of plain files in, and out again: `import`, `export`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from app.cli.shell import app, in_one_transaction, progress, read_settings, refusals

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


T = TypeVar("T")


@app.command("import")
def import_(
    folder: Annotated[Path | None, typer.Argument(help="数据集文件夹。")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不写入。")] = False,
    datum: Annotated[
        Literal["wgs84", "gcj02"], typer.Option(help="图形的坐标系；国内网络地图上画的用 gcj02。")
    ] = "wgs84",
    deactivate_missing: Annotated[
        bool, typer.Option("--deactivate-missing", help="停用文件里已经没有的行（不删除）。")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="停用超过一成也照办。")] = False,
    written_at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"],
            help="文件写成的时间（不写时区的按北京时间）；默认看每个文件的修改时间。"
            "此后在管理页面改过的行不覆盖。",
        ),
    ] = None,
    template: Annotated[Path | None, typer.Option(help="不导入，只写一份 XLSX 模板。")] = None,
) -> None:
    """导入数据集；有一处不对就什么都不写，并逐行列出。"""
    from app.clock import LAKE, now
    from app.domain.datum import Datum
    from app.services.dataset.area import read_area_of_interest
    from app.services.dataset.importing import import_folder
    from app.services.dataset.summary import Summary
    from app.services.dataset.template import write_template

    if written_at is not None and written_at.tzinfo is None:
        written_at = written_at.replace(tzinfo=LAKE)
    if (folder is None) == (template is None):
        raise typer.BadParameter("请给出数据集文件夹，或用 --template 给出模板的文件名。")
    with refusals():
        if template is not None:
            write_template(template)
            typer.echo(f"模板已写入 {template}")
        if folder is None:
            return
        settings = read_settings()
        place = settings.area_of_interest
        area = read_area_of_interest(place) if place else None

        async def load(session: "AsyncSession") -> Summary:
            with progress() as told:
                return await import_folder(
                    session,
                    folder,
                    settings,
                    documents_dir=settings.data_dir / "documents",
                    now=now(),
                    datum=Datum(datum),
                    dry_run=dry_run,
                    deactivate_missing=deactivate_missing,
                    yes=yes,
                    written_at=written_at,
                    area_of_interest=area,
                    progress=told,
                )

        summary = in_one_transaction(settings, load)
    for warning in summary.warnings:
        typer.echo(warning, err=True)
    typer.echo("\n".join(summary.lines()))


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="要写入的文件夹。")]) -> None:
    """导出成数据集文件夹；原样再导入不会有任何变化。"""
    from app.services.dataset.exporting import export_folder

    settings = read_settings()

    async def write(session: "AsyncSession") -> list[str]:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return await export_folder(session, folder, documents_dir=settings.data_dir / "documents")

    with refusals():
        lines = in_one_transaction(settings, write)
    typer.echo("\n".join([*lines, "导出完成。"]))
