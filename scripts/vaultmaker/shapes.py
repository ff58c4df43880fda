"""The attributes of the SDK's classes, in their order: nested objects carry all of them, nulls included."""

from __future__ import annotations

from typing import Any

Content = dict[str, Any]


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


TILE = words(
    """can body_text body_text_as_html dashboard_id dashboard_layout_id edit_uri id look look_id
    lookml_link_id merge_result_id note_display note_state note_text note_text_as_html query query_id
    refresh_interval refresh_interval_to_i result_maker result_maker_id subtitle_text title title_hidden
    title_text type alert_count rich_content_json title_text_as_html subtitle_text_as_html extension_id
    aria_description"""
)
FILTER = words(
    """can id dashboard_id name title type default_value model explore dimension field row
    listens_to_filters allow_multiple_values required ui_config"""
)
FIELD = words(
    """align can_filter category default_filter_value description enumerations field_group_label fill_style
    fiscal_month_offset has_allowed_values hidden is_filter is_numeric label label_from_parameter label_short
    map_layer name strict_value_format requires_refresh_on_sort sortable suggestions tags type
    user_attribute_filter_types value_format view view_label dynamic week_start_day original_view
    dimension_group error field_group_variant measure parameter primary_key project_name scope
    suggest_dimension suggest_explore suggestable is_fiscal is_timeframe can_time_filter time_interval
    lookml_link permanent source_file source_file_path sql sql_case filters times_used"""
)
LAYOUT = words(
    """can id dashboard_id type active column_width width deleted dashboard_title
    dashboard_layout_components label description order"""
)
COMPONENT = words(
    """can id dashboard_layout_id dashboard_element_id row column width height deleted element_title
    element_title_hidden vis_type"""
)
QUERY = words(
    """model view can id fields pivots fill_fields filters filter_expression sorts limit column_limit total
    row_total subtotals vis_config filter_config visible_ui_sections slug dynamic_fields client_id
    share_url expanded_share_url url query_timezone has_table_calculations"""
)
RESULT_MAKER = words(
    """id dynamic_fields filterables sorts merge_result_id total query_id sql_query_id query vis_config"""
)
LOOK = words(
    """can content_metadata_id id title user_id certification_metadata content_favorite_id created_at
    deleted deleted_at deleter_id description embed_url excel_file_url favorite_count
    google_spreadsheet_formula image_embed_url is_run_on_load last_accessed_at last_updater_id
    last_viewed_at model public public_slug public_url query_id short_url folder folder_id updated_at
    user_name view_count query url"""
)
FOLDER = words(
    """name parent_id id content_metadata_id created_at creator_id child_count external_id is_embed
    is_embed_shared_root is_embed_users_root is_personal is_personal_descendant is_shared_root
    is_users_root can"""
)
EXPLORE = words("""name description label hidden group_label""")
CREDENTIALS_EMAIL = words(
    """can created_at email forced_password_reset_at_next_login user_id is_disabled logged_in_at
    password_reset_url account_setup_url password_reset_url_expired account_setup_url_expired type url
    user_url"""
)
CREDENTIALS_API3 = words("""can id client_id created_at is_disabled type purpose url""")
CREDENTIALS_EMBED = words(
    """can created_at external_group_id external_user_id id is_disabled logged_in_at type url"""
)
CREDENTIALS_SAML = words("""can created_at email is_disabled logged_in_at saml_user_id type url""")
USER = words(
    """can avatar_url avatar_url_without_sizing credentials_api3 credentials_email credentials_embed
    credentials_google credentials_ldap credentials_looker_openid credentials_oidc credentials_saml
    credentials_totp display_name email embed_group_space_id first_name group_ids home_folder_id id
    is_disabled last_name locale looker_versions models_dir_validated personal_folder_id
    presumed_looker_employee role_ids sessions ui_state verified_looker_employee roles_externally_managed
    allow_direct_roles allow_normal_group_membership allow_roles_from_normal_groups embed_group_folder_id
    is_iam_admin can_manage_api3_creds is_service_account service_account_name url"""
)
USER_PUBLIC = words("""can id first_name last_name display_name avatar_url url""")
GROUP = words(
    """can can_add_to_content_metadata contains_current_user external_group_id externally_managed id
    include_by_default name user_count"""
)
PERMISSION_SET = words("""can all_access built_in id name permissions url""")
MODEL_SET = words("""can all_access built_in id models name url""")
ROLE = words("""can id name permission_set permission_set_id model_set model_set_id url users_url""")
BOARD = words(
    """can content_metadata_id created_at deleted_at description board_sections id section_order title
    updated_at user_id primary_homepage"""
)
BOARD_SECTION = words(
    """can created_at deleted_at description board_id board_items id item_order visible_item_order title
    updated_at"""
)
BOARD_ITEM = words(
    """can content_created_by content_favorite_id content_metadata_id content_updated_at custom_description
    custom_title custom_url dashboard_id description favorite_count board_section_id id image_url location
    look_id lookml_dashboard_id order title url use_custom_description use_custom_title use_custom_url
    view_count custom_image_data_base64 custom_image_url use_custom_image"""
)
PLAN = words(
    """name user_id run_as_recipient enabled look_id dashboard_id lookml_dashboard_id filters_string
    dashboard_filters require_results require_no_results require_change send_all_results crontab datagroup
    timezone scheduled_plan_destination run_once include_links custom_url_base custom_url_params
    custom_url_label show_custom_url pdf_paper_size pdf_landscape embed color_theme long_tables
    inline_table_width query_id id created_at updated_at title user next_run_at last_run_at can"""
)
DESTINATION = words(
    """id scheduled_plan_id format apply_formatting apply_vis address looker_recipient type parameters
    secret_parameters message"""
)


def blank(keys: list[str], **given: object) -> Content:
    """Return a nested object: every attribute, null where not given."""
    return dict.fromkeys(keys) | given
