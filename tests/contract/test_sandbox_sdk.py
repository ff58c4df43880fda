"""Every endpoint of the sandbox, called by Looker's own client over HTTP."""

import pytest
from looker_sdk import error
from looker_sdk.sdk.api40 import models
from sdk_client import client

from lvrestore.sandbox.api.facts import FACTS
from lvrestore.sandbox.looker import Looker, find_route
from lvrestore.sandbox.server import App, running


@pytest.fixture
def looker():
    made = Looker()
    made.add_model("shop", ["orders"])
    return made


@pytest.fixture
def sdk(looker):
    with running(App(looker)) as url:
        connected = client(url)
        yield connected
        connected.transport.session.close()


def make_query(sdk):
    return sdk.create_query(models.WriteQuery(model="shop", view="orders", fields=["orders.count"]))


def make_dashboard(sdk, title="Sales"):
    return sdk.create_dashboard(models.WriteDashboard(title=title, folder_id="1"))


def use_folders(sdk):
    folder = sdk.create_folder(models.CreateFolder(name="Sales", parent_id="1"))
    child = sdk.create_folder(models.CreateFolder(name="North", parent_id=folder.id))
    assert sdk.update_folder(child.id, models.UpdateFolder(name="South")).name == "South"
    assert [f.id for f in sdk.folder_children(folder.id)] == [child.id]
    assert [f.name for f in sdk.folder_children_search(folder.id, name="sou%")] == ["South"]
    assert sdk.folder_parent(child.id).name == "Sales"
    assert [f.id for f in sdk.folder_ancestors(child.id)] == ["1", folder.id]
    assert sdk.folder(folder.id).child_count == 1
    assert folder.id in {f.id for f in sdk.all_folders()}
    assert [f.id for f in sdk.search_folders(name="Sales")] == [folder.id]
    assert sdk.folder_dashboards(folder.id) == sdk.folder_looks(folder.id) == []
    sdk.delete_folder(folder.id)


def use_looks(sdk):
    body = models.WriteLookWithQuery(title="Orders", folder_id="1", query_id=make_query(sdk).id)
    look = sdk.create_look(body)
    assert look.query.fields == ["orders.count"]
    assert sdk.update_look(look.id, models.WriteLookWithQuery(description="x")).description == "x"
    assert sdk.look(look.id).title == "Orders"
    assert [found.id for found in sdk.search_looks(title="ord%")] == [found.id for found in sdk.all_looks()]
    assert sdk.move_look(look.id, "2").folder_id == "2"
    sdk.delete_look(look.id)


def use_certificates(sdk):
    given = models.WriteCertification(
        certification_status=models.CertificationStatus.certified, notes="checked"
    )
    dashboard = sdk.update_dashboard_certification(make_dashboard(sdk, "Certified").id, given)
    body = models.WriteLookWithQuery(title="Certified", folder_id="1", query_id=make_query(sdk).id)
    look = sdk.update_look_certification(sdk.create_look(body).id, given)
    for shown in (dashboard, sdk.dashboard(dashboard.id), look, sdk.look(look.id)):
        certificate = shown.certification_metadata
        assert (certificate.certification_status.value, certificate.notes) == ("certified", "checked")
        assert certificate.user_name == "API User"
        assert certificate.updated_at
    sdk.delete_look(look.id)
    sdk.delete_dashboard(dashboard.id)


def use_queries(sdk):
    query = make_query(sdk)
    assert sdk.query(query.id) == sdk.query_for_slug(query.slug) == query
    source = models.MergeQuerySourceQuery(name="a", query_id=query.id, merge_fields=[])
    merged = sdk.create_merge_query(models.WriteMergeQuery(source_queries=[source]))
    assert sdk.merge_query(merged.id) == merged
    by_slug = models.MergeQuerySourceQuery(name="a", query_slug=query.slug, merge_fields=[])
    assert sdk.create_merge_query(models.WriteMergeQuery(source_queries=[by_slug])).id == merged.id


def use_dashboards(sdk):
    made = make_dashboard(sdk)
    assert sdk.update_dashboard(made.id, models.WriteDashboard(description="x")).description == "x"
    assert sdk.dashboard(made.id).created_at == made.created_at
    assert (
        [d.id for d in sdk.all_dashboards()]
        == [d.id for d in sdk.search_dashboards(title="sal%")]
        == [made.id]
    )
    assert sdk.move_dashboard(made.id, "2").folder_id == "2"
    sdk.update_dashboard(made.id, models.WriteDashboard(deleted=True))
    assert [d.id for d in sdk.search_dashboards(deleted="true", limit=5, sorts="id")] == [made.id]
    sdk.delete_dashboard(made.id)


def use_tiles(sdk):
    made = make_dashboard(sdk)
    body = models.WriteDashboardElement(dashboard_id=made.id, type="vis", query_id=make_query(sdk).id)
    tile = sdk.create_dashboard_element(body, apply_filters=True)
    assert tile.result_maker.query.id == tile.query_id
    changed = sdk.update_dashboard_element(tile.id, models.WriteDashboardElement(title="New"))
    assert sdk.dashboard_element(tile.id) == changed
    assert sdk.dashboard_dashboard_elements(made.id) == [changed]
    assert [t.id for t in sdk.search_dashboard_elements(dashboard_id=made.id)] == [tile.id]
    component = sdk.dashboard_dashboard_layouts(made.id)[0].dashboard_layout_components[0]
    moved = sdk.update_dashboard_layout_component(component.id, models.WriteDashboardLayoutComponent(row=9))
    assert sdk.dashboard_layout_component(component.id) == moved
    assert sdk.dashboard_layout_dashboard_layout_components(component.dashboard_layout_id) == [moved]
    sdk.delete_dashboard_element(tile.id)
    sdk.delete_dashboard(made.id)


def use_filters(sdk):
    made = make_dashboard(sdk)
    body = models.WriteCreateDashboardFilter(
        dashboard_id=made.id, name="Date", title="Date", type="field_filter"
    )
    row = sdk.create_dashboard_filter(body)
    changed = sdk.update_dashboard_filter(row.id, models.WriteDashboardFilter(default_value="7 days"))
    assert sdk.dashboard_filter(row.id) == changed
    assert sdk.dashboard_dashboard_filters(made.id) == [changed]
    sdk.delete_dashboard_filter(row.id)
    sdk.delete_dashboard(made.id)


def use_layouts(sdk):
    made = make_dashboard(sdk)
    layout = sdk.create_dashboard_layout(models.WriteDashboardLayout(dashboard_id=made.id, label="Two"))
    changed = sdk.update_dashboard_layout(layout.id, models.WriteDashboardLayout(label="Three"))
    assert sdk.dashboard_layout(layout.id) == changed
    sdk.delete_dashboard_layout(layout.id)
    sdk.delete_dashboard(made.id)


def use_sets(sdk):
    assert {p.permission for p in sdk.all_permissions()} >= {"explore", "see_looks"}
    may = sdk.create_permission_set(models.WritePermissionSet(name="Readers", permissions=["see_looks"]))
    assert sdk.update_permission_set(may.id, models.WritePermissionSet(permissions=["explore"])).permissions
    assert sdk.permission_set(may.id) in sdk.all_permission_sets()
    assert [found.id for found in sdk.search_permission_sets(name="read%")] == [may.id]
    see = sdk.create_model_set(models.WriteModelSet(name="Shops", models=["shop"]))
    assert sdk.update_model_set(see.id, models.WriteModelSet(name="Shop")).models == ["shop"]
    assert sdk.model_set(see.id) in sdk.all_model_sets()
    assert [found.id for found in sdk.search_model_sets(built_in=False)] == [see.id]
    sdk.delete_permission_set(may.id)
    sdk.delete_model_set(see.id)


def use_roles(sdk):
    me = sdk.me()
    body = models.WriteRole(name="Readers", permission_set_id="1", model_set_id="1")
    role = sdk.create_role(body)
    assert (role.permission_set.name, role.permission_set_id) == ("Admin", None)
    assert sdk.update_role(role.id, models.WriteRole(name="Writers")).model_set.id == "1"
    assert sdk.role(role.id) in sdk.all_roles(ids=models.DelimSequence([role.id]))
    assert [found.id for found in sdk.search_roles(built_in=False)] == [role.id]
    assert [u.id for u in sdk.set_role_users(role.id, [me.id])] == [me.id]
    assert [u.id for u in sdk.role_users(role.id, direct_association_only=True)] == [me.id]
    assert [found.user_count for found in sdk.search_roles_with_user_count(name="writers")] == [1]
    assert [g.id for g in sdk.set_role_groups(role.id, ["1"])] == [g.id for g in sdk.role_groups(role.id)]
    assert {r.id for r in sdk.user_roles(me.id)} == {"1", role.id}
    assert [r.id for r in sdk.set_user_roles(me.id, ["1"])] == ["1"]
    sdk.delete_role(role.id)


def use_groups(sdk):
    me = sdk.me()
    outer = sdk.create_group(models.WriteGroup(name="Outer", can_add_to_content_metadata=True))
    inner = sdk.create_group(models.WriteGroup(name="Inner"))
    assert sdk.update_group(inner.id, models.WriteGroup(name="Core")).user_count == 0
    assert sdk.add_group_user(inner.id, models.GroupIdForGroupUserInclusion(user_id=me.id)).id == me.id
    assert sdk.add_group_group(outer.id, models.GroupIdForGroupInclusion(group_id=inner.id)).name == "Core"
    assert [u.id for u in sdk.all_group_users(inner.id)] == [me.id]
    assert [g.id for g in sdk.all_group_groups(outer.id)] == [inner.id]
    assert sdk.group(inner.id) in sdk.all_groups(sorts="id")
    assert [g.id for g in sdk.search_groups(name="cor_")] == [inner.id]
    found = sdk.search_groups_with_hierarchy(id=inner.id)[0]
    assert (found.parent_group_ids, found.role_ids) == ([outer.id], [])
    assert [g.roles for g in sdk.search_groups_with_roles(name="Core")] == [[]]
    sdk.delete_group_from_group(outer.id, inner.id)
    sdk.delete_group_user(inner.id, me.id)
    sdk.delete_group(outer.id)
    sdk.delete_group(inner.id)


def use_users(sdk):
    made = sdk.create_user(models.WriteUser(first_name="Bob", last_name="C"))
    assert sdk.folder(made.personal_folder_id).name == made.display_name == "Bob C"
    assert sdk.update_user(made.id, models.WriteUser(is_disabled=True, locale="fr")).is_disabled
    login = sdk.create_user_credentials_email(made.id, models.WriteCredentialsEmail(email="bob@example.com"))
    assert sdk.user_credentials_email(made.id) == login
    assert sdk.user_for_credential("email", "bob@example.com").id == made.id
    assert [found.user_id for found in sdk.search_credentials_email(emails="BOB@example.com,x")] == [made.id]
    changed = models.WriteCredentialsEmail(email="robert@example.com")
    assert sdk.update_user_credentials_email(made.id, changed).email == "robert@example.com"
    assert sdk.search_users(email="rob%")[0].credentials_email.email == "robert@example.com"
    sdk.delete_user_credentials_email(made.id)
    sdk.delete_user(made.id)


def use_models(sdk):
    body = models.WriteLookmlModel(name="wholesale", project_name="shops", allowed_db_connection_names=["a"])
    assert sdk.create_lookml_model(body).explores == []
    changed = sdk.update_lookml_model("wholesale", models.WriteLookmlModel(unlimited_db_connections=True))
    assert sdk.lookml_model("wholesale") == changed
    assert sdk.lookml_model_explore("shop", "orders").model_name == "shop"
    sdk.delete_lookml_model("wholesale")
    assert sdk.content_validation().content_with_errors == []


def use_boards(sdk):
    dashboard = make_dashboard(sdk, "On a board")
    board = sdk.create_board(models.WriteBoard(title="Start here"))
    section = sdk.create_board_section(models.WriteBoardSection(board_id=board.id, title="First"))
    items = [
        sdk.create_board_item(
            models.WriteBoardItem(board_section_id=section.id, dashboard_id=dashboard.id)
        ).id
        for _ in range(2)
    ]
    order = models.WriteBoardSection(item_order=items[::-1])
    assert sdk.update_board_section(section.id, order).item_order == items[::-1]
    changed = sdk.update_board_item(items[0], models.WriteBoardItem(custom_title="x", use_custom_title=True))
    assert sdk.board_item(items[0]) == changed
    assert [item.id for item in sdk.all_board_items(board_section_id=section.id)] == items
    assert sdk.board_section(section.id) in sdk.all_board_sections()
    shown = sdk.update_board(board.id, models.WriteBoard(section_order=[section.id]))
    assert sdk.board(board.id) == shown == sdk.all_boards()[0] == sdk.search_boards(title="start%")[0]
    assert [item.title for item in shown.board_sections[0].board_items] == ["x", "On a board"]
    sdk.delete_board_item(items[0])
    sdk.delete_board_section(section.id)
    sdk.delete_board(board.id)
    sdk.delete_dashboard(dashboard.id)


def use_plans(sdk):
    dashboard = make_dashboard(sdk, "Sent")
    destination = models.ScheduledPlanDestination(
        type="email", format="csv", address="a@b.c", secret_parameters="x"
    )
    body = models.WriteScheduledPlan(
        name="Daily",
        dashboard_id=dashboard.id,
        crontab="0 6 * * *",
        enabled=False,
        scheduled_plan_destination=[destination],
    )
    plan = sdk.create_scheduled_plan(body)
    assert (plan.enabled, plan.scheduled_plan_destination[0].secret_parameters) == (False, None)
    changed = sdk.update_scheduled_plan(plan.id, models.WriteScheduledPlan(name="Nightly"))
    assert changed.scheduled_plan_destination == plan.scheduled_plan_destination
    assert sdk.scheduled_plan(plan.id) == changed == sdk.all_scheduled_plans(all_users=True)[0]
    assert sdk.scheduled_plans_for_dashboard(dashboard.id) == [changed]
    assert sdk.scheduled_plans_for_look("1") == sdk.scheduled_plans_for_lookml_dashboard("a::b") == []
    assert sdk.search_scheduled_plans(name="night%", all_users=True) == [changed]
    assert sdk.scheduled_plan_run_once(body).id is None
    assert sdk.scheduled_plan_run_once_by_id(plan.id).id == plan.id
    sdk.delete_scheduled_plan(plan.id)
    sdk.delete_dashboard(dashboard.id)


def use_alerts(sdk):
    made = make_dashboard(sdk, "Watched")
    body = models.WriteDashboardElement(dashboard_id=made.id, type="vis", query_id=make_query(sdk).id)
    tile = sdk.create_dashboard_element(body)
    fields = {
        "field": models.AlertField(title="Count", name="orders.count"),
        "destinations": [
            models.AlertDestination(
                destination_type=models.DestinationType.EMAIL, email_address="ops@example.com"
            )
        ],
        "comparison_type": models.ComparisonType.GREATER_THAN,
        "cron": "0 5 * * *",
        "dashboard_element_id": tile.id,
        "owner_id": sdk.me().id,
    }
    alert = sdk.create_alert(models.WriteAlert(threshold=100.0, **fields))
    assert (alert.is_disabled, alert.owner_display_name) == (False, "API User")
    assert sdk.dashboard_element(tile.id).alert_count == 1
    assert sdk.update_alert_field(alert.id, models.AlertPatch(is_disabled=True)).is_disabled
    changed = sdk.update_alert(alert.id, models.WriteAlert(threshold=7.0, **fields))
    assert (changed.threshold, changed.is_disabled) == (7.0, False)
    assert sdk.search_alerts(all_owners=True) == [changed] == [sdk.get_alert(alert.id)]
    sdk.delete_alert(alert.id)
    assert sdk.search_alerts() == []
    sdk.delete_dashboard(made.id)


def use_what_is_only_listed(looker, sdk):
    attribute = looker.add("user_attributes", name="region", label="Region", type="string")
    assert sdk.all_user_attributes() == [sdk.user_attribute(attribute)]
    looker.add_connection("warehouse")
    looker.add_palette("acme", "acme-categorical-0")
    assert [one.name for one in sdk.all_connections(fields="name")] == ["warehouse"]
    classic, acme = sdk.all_color_collections()
    assert (classic.label, acme.id) == ("Looker Classic", "acme")
    assert [one.id for one in acme.categoricalPalettes] == ["acme-categorical-0"]


def use_the_rest(sdk):
    me = sdk.me()
    assert sdk.user(me.id).display_name == "API User"
    assert (
        [u.id for u in sdk.all_users(ids=models.DelimSequence([me.id]))]
        == [u.id for u in sdk.search_users(email="api@%")]
        == [me.id]
    )
    assert sdk.lookml_model("shop") == sdk.all_lookml_models()[0]
    assert sdk.versions().looker_release_version


def test_every_endpoint_serves_the_clients_typed_models(looker, sdk):
    for use in (
        use_folders,
        use_looks,
        use_certificates,
        use_queries,
        use_dashboards,
        use_tiles,
        use_filters,
        use_layouts,
        use_sets,
        use_roles,
        use_groups,
        use_users,
        use_models,
        use_boards,
        use_plans,
        use_alerts,
        use_the_rest,
    ):
        use(sdk)
    use_what_is_only_listed(looker, sdk)
    sdk.logout()
    assert {request.status for request in looker.requests} == {200, 204}
    apart = {"/login", "/logout"}
    called = {
        f"{request.method} {find_route(request.method, request.path)[0].template}"
        for request in looker.requests
        if request.path not in apart
    }
    assert called == {f"{method} {path}" for path, methods_of in FACTS.paths.items() for method in methods_of}
    assert apart <= {request.path for request in looker.requests}


def test_client_gets_the_error_body(sdk):
    make_dashboard(sdk)
    with pytest.raises(error.SDKError) as caught:
        make_dashboard(sdk)
    assert caught.value.message == "Validation Failed"
    assert [fault.code for fault in caught.value.errors] == ["already_exists"]
    assert "/422/post/dashboards" in caught.value.documentation_url


def test_client_is_told_when_its_token_is_refused(looker, sdk):
    sdk.me()
    looker.expire_tokens()
    with pytest.raises(error.SDKError, match="Requires authentication"):
        sdk.me()


def test_login_refused_with_the_wrong_secret(looker):
    with running(App(looker)) as url:
        stranger = client(url, secret="wrong")
        with pytest.raises(error.SDKError, match="Not found"):
            stranger.me()
        stranger.transport.session.close()
